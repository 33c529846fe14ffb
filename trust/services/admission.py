"""How bytes become commands: parsed, of the right kind, signed, their blobs stored.

Specified in docs/architecture.md 4, steps 2 to 4.

- What is malformed or not signed never reaches the sequencer, and costs it nothing.
- An opening counts only when the service holds every byte that it names (docs/rules.md 5), so "not opened in time" is a
  fact of the log. That check is made here because the rulebook cannot see blobs.
- Verification overlaps: while one chunk of a batch is verified on other threads, the next one is parsed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor

from trust import spans
from trust.core import commands
from trust.core.commands import Spoken
from trust.core.payloads import ClaimRequest, ItemsOpen, OutputOpen, OutputSubmit, kind_of
from trust.core.records import Claim
from trust.core.rulebook import output_in
from trust.core.strict import Malformed, b64
from trust.errors import CODES, TrustError
from trust.services.loop_bridge import LoopBridge
from trust.services.receipts import Outcome
from trust.services.sequencing import Sequencer
from trust.services.signature_checks import Verifying
from trust.storage.engine import Database
from trust.storage.reading import Reader, reading

CHUNK = 100
OPENINGS = (OutputOpen, ItemsOpen)
Missing = Callable[[Reader, Iterable[str]], list[str]]
Result = Outcome | TrustError


class Admission:
    """The way into the sequencer; `missing` says which of some blobs (hex digests) are not stored, `holds_claims`
    whether claims wait until the witnesses cosign again."""

    def __init__(
        self,
        sequencer: Sequencer,
        verifying: Verifying,
        database: Database,
        readers: Executor,
        missing: Missing,
        holds_claims: Callable[[], bool],
    ) -> None:
        self._sequencer = sequencer
        self._verifying = verifying
        self._database = database
        self._readers = readers
        self._missing = missing
        self._holds_claims = holds_claims
        self._bridge = LoopBridge()
        self.in_hand = 0
        """Statements of batches that are being worked on, or wait for it."""

    async def say(self, data: bytes, endpoint: str) -> tuple[Spoken, Outcome]:
        """Puts one envelope of a kind that `endpoint` takes to the sequencer; raises TrustError."""
        with spans.span("admission", statements=1):
            spoken = await self.screen(data, endpoint)
        outcomes = await self._bridge.result(self._sequencer.submit([spoken]))
        return spoken, outcomes[0]

    async def screen(self, data: bytes, endpoint: str) -> Spoken:
        """The statement in an envelope, everything checked that needs no rule; raises TrustError."""
        spoken = parsed(data)
        _check_endpoint(spoken, endpoint)
        self._check_quorum(spoken)
        verdicts = await self._bridge.result(self._verifying.verify_many([spoken]))
        if verdicts[0] is not None:
            raise TrustError("bad-signature", str(verdicts[0]))
        if (opening := _opening_in(spoken)) and (absent := await self._absent([opening]))[0]:
            raise _blob_missing(absent[0])
        return spoken

    async def say_all(self, items: Sequence[bytes]) -> list[tuple[Spoken | None, Result]]:
        """Puts envelopes of any kinds to the sequencer together; what is wrong with one is its result, in order."""
        self.in_hand += len(items)
        try:
            with spans.span("admission", statements=len(items)):
                screened = await self._screen_all(items)
            good = [each for each in screened if isinstance(each, Spoken)]
            decided = await self._bridge.result(self._sequencer.submit(good)) if good else []
        finally:
            self.in_hand -= len(items)
        outcomes = iter(decided)
        return [(each, next(outcomes)) if isinstance(each, Spoken) else (None, each) for each in screened]

    async def _screen_all(self, items: Sequence[bytes]) -> list[Spoken | TrustError]:
        chunks = []
        for start in range(0, len(items), CHUNK):
            tried = [self._tried(data) for data in items[start : start + CHUNK]]
            good = [each for each in tried if isinstance(each, Spoken)]
            chunks.append((tried, self._verifying.verify_many(good)))
            await asyncio.sleep(0)  # others get their turn on the event loop
        screened: list[Spoken | TrustError] = []
        for tried, verifying in chunks:
            checked = await self._bridge.result(verifying)
            verdicts = iter(checked)
            for each in tried:
                bad = next(verdicts) if isinstance(each, Spoken) else None
                screened.append(each if bad is None else TrustError("bad-signature", str(bad)))
        return await self._with_blobs(screened)

    def _tried(self, data: bytes) -> Spoken | TrustError:
        try:
            spoken = parsed(data)
            self._check_quorum(spoken)
        except TrustError as error:
            return error
        return spoken

    def _check_quorum(self, spoken: Spoken) -> None:
        """TrustError no-quorum for a claim that no draw may come to in time: draws wait for the witnesses."""
        if isinstance(spoken.payload, ClaimRequest) and self._holds_claims():
            raise TrustError("no-quorum", "no claim is taken: the witnesses have not cosigned for too long")

    async def _with_blobs(self, screened: list[Spoken | TrustError]) -> list[Spoken | TrustError]:
        openings = {
            at: opening
            for at, each in enumerate(screened)
            if isinstance(each, Spoken) and (opening := _opening_in(each)) is not None
        }
        if openings:
            absent = await self._absent(list(openings.values()))
            for at, digests in zip(openings, absent, strict=True):
                if digests:
                    screened[at] = _blob_missing(digests)
        return screened

    async def _absent(self, openings: Sequence[Spoken]) -> list[list[str]]:
        """For each opening the digests of the blobs that it needs and the service does not hold."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._absent_now, openings)

    def _absent_now(self, openings: Sequence[Spoken]) -> list[list[str]]:
        with reading(self._database) as reader:
            return [self._missing(reader, _needed(reader, each)) for each in openings]


def parsed(data: bytes) -> Spoken:
    """The statement in an envelope; TrustError where it is malformed."""
    try:
        return commands.parse(data)
    except Malformed as error:
        code = error.code if error.code in CODES else "malformed"
        raise TrustError(code, str(error)) from None


def _check_endpoint(spoken: Spoken, endpoint: str) -> None:
    right = spoken.payload.endpoint
    if right != endpoint:
        kind = kind_of(spoken.payload)
        raise TrustError(
            "wrong-endpoint", f"{kind} is taken {f'at {right}, not here' if right else 'nowhere'}"
        )


def _opening_in(spoken: Spoken) -> Spoken | None:
    """The opening that a statement is, or that a relay attests in it; None where it is none."""
    statement = commands.effective(spoken)
    return statement if _opens(statement.payload) else None


def _opens(payload: object) -> bool:
    return isinstance(payload, OPENINGS) or (isinstance(payload, OutputSubmit) and payload.opened)


def _needed(reader: Reader, opening: Spoken) -> list[str]:
    """The blobs that an opening opens. An item's blob is `0x00 || item`, so its leaf is its digest."""
    payload = opening.payload
    if isinstance(payload, ItemsOpen):
        return _leaves(payload)
    if isinstance(payload, OutputSubmit):
        return [artifact.sha256 for artifact in payload.artifacts]
    claim = reader.record(Claim, payload.claim) if isinstance(payload, OutputOpen) else None
    entry = reader.entry(claim.output_index) if claim is not None and claim.output else None
    output = None if entry is None else output_in(entry.data)
    if output is None:
        return []  # there is no such output: the rulebook says so
    return [artifact.sha256 for artifact in output.artifacts]


def _leaves(payload: ItemsOpen) -> list[str]:
    try:
        return [b64(item.leaf, 32).hex() for item in payload.items]
    except Malformed:
        return []  # the rulebook says what is wrong with it


def _blob_missing(digests: Sequence[str]) -> TrustError:
    return TrustError(
        "blob-missing",
        f"{len(digests)} of the blobs that this opens are not in the service, first {digests[0]}",
        reasons=[f"missing: {digest}" for digest in digests],
    )
