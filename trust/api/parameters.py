"""Query parameters that several reads take.

What is not of the type, or not of the range that it can have, is `bad-parameter`, not a silent correction. A number of
something that the log does not have, however large, is `unknown-entry`: it may be there tomorrow.
"""

from __future__ import annotations

from typing import Annotated

from litestar.params import QueryParameter

MAX_INDEX = 2**53 - 1

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many, at most 100")]
After = Annotated[
    str, QueryParameter(max_length=80, pattern=r"^[a-zA-Z0-9._:-]*$", description="Go on after this id")
]
AfterPair = Annotated[
    str,
    QueryParameter(max_length=140, pattern=r"^[a-zA-Z0-9._/-]*$", description="Go on after this kind/relay"),
]
AfterIndex = Annotated[int, QueryParameter(ge=-1, le=MAX_INDEX, description="Go on after this log index")]
Index = Annotated[int, QueryParameter(ge=0)]
Size = Annotated[int | None, QueryParameter(ge=0, description="A log size; now unless given")]
TaskKind = Annotated[
    str, QueryParameter(max_length=64, pattern=r"^[a-z0-9._-]*$", description="A task kind; all unless given")
]
