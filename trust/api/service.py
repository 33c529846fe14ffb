"""The parts behind the controllers: reads on other threads, writes through admission, and answers as bytes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
from litestar import Response
from litestar.di import NamedDependency

from trust.api import tracing
from trust.api.bodies import HttpRequest, read, read_batch
from trust.api.callers import Places
from trust.api.edge import SIZE_KEY
from trust.api.feed import Feed
from trust.api.problems import PROBLEM_TYPE, refusal_problem
from trust.api.receipts import batch_answer, shared_checkpoint, written
from trust.api.telemetry import Telemetry
from trust.core.commands import Spoken
from trust.core.envelope import MAX_ENVELOPE_BYTES
from trust.core.payloads import kind_of
from trust.services.admission import Admission, Result
from trust.services.blobs import Blobs
from trust.services.cosigning import Cosigning
from trust.services.foreign_scores import ForeignScores
from trust.services.graph_renewal import Graph
from trust.services.liveness import VitalSigns
from trust.services.notifying import Notifier
from trust.services.receipts import Receipt, Refusal
from trust.services.scoreproofs import ScoreProofs
from trust.services.scrub import Scrub
from trust.services.sequencing import Sequencer
from trust.settings import Settings
from trust.storage.engine import Database
from trust.storage.reading import Reader, reading

P = ParamSpec("P")
T = TypeVar("T")
_encode = msgspec.json.Encoder().encode
JSON = "application/json"


@dataclass(frozen=True)
class Service:
    """The parts that the API talks to; `vkey` is the log's verifier key, as text, when this process started."""

    settings: Settings
    database: Database
    sequencer: Sequencer
    admission: Admission
    blobs: Blobs
    notifier: Notifier
    scores: ScoreProofs
    foreign_scores: ForeignScores
    cosigning: Cosigning
    telemetry: Telemetry
    vitals: VitalSigns
    graph: Graph
    readers: Executor
    vkey: str
    streams: Places
    feed: Feed
    scrub: Scrub
    notices: Callable[[], tuple[str, ...]] = tuple
    """Returns notices for the operator; may look at the disk."""

    # -- reads

    async def on_reader(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Makes a call that blocks on one of the readers' threads."""
        return await asyncio.get_running_loop().run_in_executor(self.readers, partial(call, *args, **kwargs))

    async def run(
        self,
        request: HttpRequest,
        view: Callable[Concatenate[Reader, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Returns what a view makes of one snapshot of the database, on a reader's thread."""

        def work() -> tuple[int, T]:
            with reading(self.database) as reader:
                return reader.head().size, view(reader, *args, **kwargs)

        size, value = await self.on_reader(work)
        request.scope[SIZE_KEY] = size  # type: ignore[literal-required]
        return value

    async def show(
        self,
        request: HttpRequest,
        view: Callable[Concatenate[Reader, P], Any],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Response[bytes]:
        """Returns what a view makes of one snapshot, as a JSON answer."""

        def encoded(reader: Reader) -> bytes:
            return _encode(view(reader, *args, **kwargs))

        return answer(await self.run(request, encoded))

    async def show_fresh(
        self,
        request: HttpRequest,
        view: Callable[Concatenate[Reader, P], Any],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Response[bytes]:
        """Returns the answer of `show` with a validator (ETag), its own digest: 304 where the caller has it already."""
        shown = await self.show(request, view, *args, **kwargs)
        tag = f'"{sha256(shown.content).hexdigest()[:32]}"'
        held = tag in request.headers.get("if-none-match", "").split(", ")
        return answer(
            b"" if held else shown.content, 304 if held else 200, etag=tag, cache_control="no-cache"
        )

    # -- writes

    async def write(self, request: HttpRequest, endpoint: str) -> Response[bytes]:
        """Puts the envelope in the body to the sequencer: 201, 200 where it was on the log before, or a problem."""
        data = await read(request, MAX_ENVELOPE_BYTES)
        spoken, outcome = await self.admission.say(data, endpoint)
        self._count([outcome])
        _tell(spoken, outcome)
        if isinstance(outcome, Refusal):
            status, problem = refusal_problem(outcome)
            return answer(_encode(problem), status, PROBLEM_TYPE)
        return answer(_encode(written(spoken, outcome)), 200 if outcome.repeated else 201)

    async def write_all(self, request: HttpRequest) -> Response[bytes]:
        """Puts a batch to the sequencer: 200, and one result for each statement, in order."""
        items = await read_batch(request, self.settings.body_max_bytes)
        results = await self.admission.say_all(items)
        self._count([outcome for _, outcome in results])
        for spoken, outcome in results:
            _tell(spoken, outcome)
        checkpoint = shared_checkpoint(results) or await self.run(
            request, lambda reader: reader.head().checkpoint
        )
        return answer(_encode(batch_answer(checkpoint, results)))

    def _count(self, outcomes: Sequence[object]) -> None:
        for result, count in Counter(getattr(outcome, "code", "accepted") for outcome in outcomes).items():
            self.telemetry.decided(result, count)


def _tell(spoken: Spoken | None, outcome: Result) -> None:
    """Logs what became of a statement, for who traces it."""
    if spoken is None:
        return
    if isinstance(outcome, Receipt):
        tracing.tell(spoken.id, kind=kind_of(spoken.payload), index=outcome.index, repeated=outcome.repeated)
    else:
        tracing.tell(spoken.id, kind=kind_of(spoken.payload), refused=outcome.code)


Serving = NamedDependency[Service]
"""The service, as a handler is given it."""


def answer(body: bytes, status: int = 200, media_type: str = JSON, **headers: str) -> Response[bytes]:
    """Bytes as an answer; header names with underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(body, status_code=status, media_type=media_type, headers=named)
