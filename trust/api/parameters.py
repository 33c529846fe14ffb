"""Query parameters that several reads take.

What is not of the type, or not of the range that it can have, is `bad-parameter`, not a silent correction. A number of
something that the log does not have, however large, is `unknown-entry`: it may be there tomorrow.
"""

from __future__ import annotations

from typing import Annotated, Literal

from litestar.params import QueryParameter

from trust.core.commands import ENTRY_KINDS

MAX_INDEX = 2**53 - 1

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many, at most 100")]
After = Annotated[
    str, QueryParameter(max_length=80, pattern=r"^[a-zA-Z0-9._:-]*$", description="Go on after this id")
]
AfterPair = Annotated[
    str,
    QueryParameter(max_length=140, pattern=r"^[a-zA-Z0-9._/-]*$", description="Go on after this kind/relay"),
]
AfterPlace = Annotated[
    str,
    QueryParameter(
        max_length=96,
        pattern=r"^((0|[1-9][0-9]{0,15})[.][a-z0-9][a-z0-9._-]{0,63})?$",
        description="Go on after this place: `after` of the page before",
    ),
]
Before = Annotated[
    int | None,
    QueryParameter(ge=0, le=MAX_INDEX, description="Go on before this log index; the newest unless given"),
]
Per = Annotated[Literal["hour", "day"], QueryParameter(description="How long a period is")]
BeforeMs = Annotated[
    int | None,
    QueryParameter(
        ge=0, le=MAX_INDEX, description="Go on before this period: when the last one of the page before began"
    ),
]
Agent = r"^(did:key:z[1-9A-HJ-NP-Za-km-z]{40,60}|@[a-z0-9][a-z0-9-]{1,31})?$"
RelayId = Annotated[
    str,
    QueryParameter(
        max_length=32, pattern=r"^(rly_[a-z2-7]{26})?$", description="A relay's id; all unless given"
    ),
]
AfterIndex = Annotated[int, QueryParameter(ge=-1, le=MAX_INDEX, description="Go on after this log index")]
Index = Annotated[int, QueryParameter(ge=0)]
Size = Annotated[int | None, QueryParameter(ge=0, description="A log size; now unless given")]
TaskKind = Annotated[
    str, QueryParameter(max_length=64, pattern=r"^[a-z0-9._-]*$", description="A task kind; all unless given")
]

EntryKind = Annotated[
    Literal[(*ENTRY_KINDS, "")],  # type: ignore[valid-type]
    QueryParameter(name="kind", description="The kind of entry; all unless given"),
]


def agent_named(name: str, who: str) -> QueryParameter:
    """The parameter `name`: a DID or an @handle."""
    return QueryParameter(
        name=name, max_length=80, pattern=Agent, description=f"{who}: a DID or @handle; all unless given"
    )
