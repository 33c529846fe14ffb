"""Checks of a relay's feed against the log: whether the decisions that its coordinator published are borne out
(docs/relay.md).

Both are read whole, and both must lead to the roots that their keys sign. Held against the log are: that what was
confirmed, forwarded and allocated stands there; that a refusal was the service's, by its signed note, or true by the
log as it was then; that a task was offered in the published order, and to the shortlist where it was drawn; that every
claim which this coordinator signed is in its feed; and that it signed one allocation a task.
"""

from __future__ import annotations

import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from trust.audit.fetching import Source
from trust.audit.report import CannotCheck, Progress, silent
from trust.audit.stateless_checks import Piece, entries_of
from trust.core import identity
from trust.core.commands import Spoken
from trust.core.entry import Header
from trust.core.envelope import Envelope
from trust.core.lifecycle import TaskState
from trust.core.payloads import ClaimRequest, TaskAllocate
from trust.core.rulebook import incoming_of
from trust.log import merkle
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.note import NoteError, Verifier, open_note, parse_note
from trust.log.succession import LogKey, opened
from trust.log.tiles import TILE_WIDTH, TreeEdge
from trust.verify.failures import NotProven
from trust.verify.receipts import verify_refusal, verify_statement

UNPUBLISHED_MS = 2_000
"""What a coordinator decided may be lost with it if it is killed: from so long before the last decision that is left,
until it was started again."""
MAX_FINDINGS = 100
ASSERTED = frozenset({"already-claimed", "task-closed", "not-allocated", "already-allocated"})
"""Reasons for a refusal that the log itself bears out or not; others need the service's note."""

Facts = dict[str, Any]
_header = msgspec.json.Decoder(Header).decode


class False_(msgspec.Struct, frozen=True):  # noqa: N801  the word is taken
    """A decision that the log does not bear out; `index` is its place in the feed, or the log's entry."""

    index: int
    reason: str


class FeedReport(msgspec.Struct, frozen=True):
    """The result of holding a feed against a log. `unproven` counts refusals that nothing stands behind, by agent."""

    ok: bool
    relay: str
    coordinator: str
    decisions: int
    size: int
    kinds: dict[str, int]
    findings: tuple[False_, ...]
    unproven: dict[str, int]
    newcomers_places: int
    places: int


class _Log:
    """The facts of a log that a feed speaks of, by index."""

    def __init__(self, relay: str) -> None:
        self.relay = relay
        self.coordinators: set[str] = set()
        self.statements: dict[int, Spoken] = {}
        self.claims: dict[int, Facts] = {}
        self.signed: dict[str, tuple[int, int, tuple[str, ...]]] = {}
        self.shortlists: dict[str, list[str]] = {}
        self.allocations: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._states: dict[str, list[tuple[int, str]]] = defaultdict(list)
        self._task_of: dict[str, str] = {}
        self._drawn_for: dict[str, str] = {}
        self.size = 0

    def take(self, index: int, data: bytes, events: list[Facts]) -> None:
        header = _header(data)
        incoming = incoming_of(header.command) if header.command.statement is not None else None
        if isinstance(incoming, Spoken):
            self.statements[index] = incoming
            if isinstance(incoming.payload, ClaimRequest) and incoming.payload.relay == self.relay:
                self.signed[incoming.id] = (index, header.at_ms, incoming.signed.signers)
            self.allocation(incoming)
        for event in events:
            self._event(index, event)
        self.size = index + 1

    def allocation(self, statement: Spoken) -> None:
        """Remembers who asked for the draw of a task: its actor, whom the others only join."""
        asked = statement.payload
        if not isinstance(asked, TaskAllocate) or asked.relay != self.relay:
            return
        if asked.actor in self.coordinators & set(statement.signed.signers):
            self.allocations[asked.task, asked.actor].add(statement.id)

    def _event(self, index: int, event: Facts) -> None:
        kind, task = event["kind"], event.get("task", "")
        if kind == "relay.registered" and event["relay"] == self.relay:
            self.coordinators |= set(event["coordinators"])
        if kind == "claim.opened":
            self.claims.setdefault(index, event)
            self._task_of[event["claim"]] = task
        if kind == "task.allocated":
            self.shortlists[task] = [agent for agent, *_ in event["shortlist"]]
        if kind == "task.allocating" and "squad" in event:
            self._drawn_for[task] = event["squad"]
        if kind == "squad.formed" and self._drawn_for.get(task) == event["squad"]:
            self.shortlists[task] = [event["founder"]]
        state = _STATES.get(kind)
        if state:
            self._states[task].append((index, state))

    def states(self, task: str, start: int, end: int) -> set[str]:
        """The states that a task had at the sizes from `start` to `end`; `UNKNOWN` before it was posted."""
        seen = self._states.get(task, [])
        first = bisect.bisect_left(seen, start, key=lambda each: each[0])
        last = bisect.bisect_left(seen, end, key=lambda each: each[0])
        before = seen[first - 1][1] if first else UNKNOWN
        return {before, *(state for _, state in seen[first:last])}


UNKNOWN, ALLOCATED = "unknown", "allocated"
"""What a task is to a relay beside its states: not posted yet, and open for its shortlist."""

_STATES = {
    "task.posted": TaskState.OPEN,
    "squad.claimed": TaskState.SPLIT,
    "part.posted": TaskState.OPEN,
    "task.allocating": TaskState.ALLOCATING,
    "task.allocated": ALLOCATED,
    "allocation.failed": TaskState.OPEN,
    "claim.opened": TaskState.CLAIMED,
    "task.reopened": TaskState.OPEN,
    "task.closed": TaskState.CLOSED,
}


def check_feed(feed: Source, log: Source, key: LogKey, progress: Progress = silent) -> FeedReport:
    """Holds a feed against a log. Raises `NotProven` where either is not what its key signed, `CannotCheck` where one
    cannot be read."""
    note = feed.checkpoint()
    claimed = _parsed(note)
    network, _, name = claimed.origin.partition("/rly_")
    relay = f"rly_{name.partition('/')[0]}"
    if network != key.name:
        raise NotProven(f"a feed in {network}, and a log of {key.name}")
    known = _read_log(log, key, relay, progress)
    coordinator = _signer(note, claimed.origin, known.coordinators)
    checking = _Checking(known, key, coordinator)
    for index, data in _entries(feed, claimed, "the feed"):
        checking.take(index, msgspec.json.decode(data))
    checking.close()
    return checking.report(relay, claimed.size)


def _parsed(note: bytes) -> Checkpoint:
    try:
        return Checkpoint.parse(parse_note(note)[0])
    except (NoteError, CheckpointError) as error:
        raise NotProven(f"the feed's checkpoint: {error}") from error


def _signer(note: bytes, origin: str, coordinators: set[str]) -> str:
    """The coordinator, of those that the log names, whose feed it is."""
    for did in sorted(coordinators):
        try:
            open_note(note, [Verifier(origin, identity.key_of(did))])
        except NoteError:
            continue
        return did
    raise NotProven("no coordinator that the log names for this relay signed the feed")


def _read_log(log: Source, key: LogKey, relay: str, progress: Progress) -> _Log:
    try:
        checkpoint = opened(log.checkpoint(), key)
    except (NoteError, CheckpointError) as error:
        raise NotProven(f"the log's checkpoint: {error}") from error
    known = _Log(relay)
    for index, data in _entries(log, checkpoint, "the log"):
        known.take(index, data, msgspec.json.decode(data)["events"])
        progress(index + 1, checkpoint.size)
    return known


def _entries(source: Source, checkpoint: Checkpoint, what: str) -> Iterator[tuple[int, bytes]]:
    """Every entry, in order; after the last `NotProven` where they do not lead to the root that is signed."""
    edge = TreeEdge()
    for start in range(0, checkpoint.size, TILE_WIDTH):
        end = min(checkpoint.size, start + TILE_WIDTH)
        piece = Piece(start, end, (source.bundle(start // TILE_WIDTH, end - start),), (None,))
        entries = entries_of(piece)
        if len(entries) < end - start:
            raise CannotCheck(f"{what} does not have entry {start + len(entries)}")
        edge.append_many([merkle.leaf_hash(data) for data in entries])
        yield from enumerate(entries, start)
    if edge.root() != checkpoint.root:
        raise NotProven(f"the entries of {what} do not lead to the root that was signed")


class _Checking:
    """One feed, decision by decision."""

    def __init__(self, log: _Log, key: LogKey, coordinator: str) -> None:
        self._log = log
        self._key = key
        self._coordinator = coordinator
        self._orders: dict[str, Facts] = {}
        self._listed: set[str] = set()
        self._lost: list[tuple[int, int]] = []
        self._first_ms = self._last_ms = 0
        self._findings: list[False_] = []
        self._unproven: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()
        self._places = self._newcomers = 0

    def take(self, index: int, decision: Facts) -> None:
        kind = decision["kind"]
        self._kinds[kind] += 1
        self._first_ms = self._first_ms or decision["at_ms"]
        if kind == "started":
            self._lost.append((self._last_ms - UNPUBLISHED_MS, decision["at_ms"]))
        self._last_ms = max(self._last_ms, decision["at_ms"])
        if decision["size"] > self._log.size:
            self._false(index, f"it was decided at {decision['size']} entries, the log has {self._log.size}")
        elif (check := _CHECKS.get(kind)) is not None and (reason := check(self, decision)):
            self._false(index, reason)

    def _false(self, index: int, reason: str) -> None:
        if len(self._findings) < MAX_FINDINGS:
            self._findings.append(False_(index, reason))

    # -- each returns why a decision is false, "" where it is not

    def _confirmed(self, decision: Facts) -> str:
        self._listed.add(decision["statement"])
        opened_ = self._log.claims.get(decision["index"], {})
        wanted = {name: decision[name] for name in ("claim", "task", "worker")}
        logged = {name: opened_.get(name) for name in wanted}
        if wanted != logged:
            return f"it confirmed {wanted}, entry {decision['index']} says {logged}"
        return ""

    def _forwarded(self, decision: Facts) -> str:
        logged = self._log.statements.get(decision["index"])
        if logged is None or logged.id != decision["statement"]:
            return f"it says that {decision['statement']} is entry {decision['index']}, which it is not"
        return ""

    def _attested(self, decision: Facts) -> str:
        return self._forwarded(decision) if "index" in decision else ""

    def _allocated(self, decision: Facts) -> str:
        logged = self._log.statements.get(decision["index"])
        if logged is None or getattr(logged.payload, "task", "") != decision["task"]:
            return f"entry {decision['index']} does not allocate {decision['task']}"
        return ""

    def _cosigned(self, decision: Facts) -> str:
        self._listed.add(decision["statement"])
        return ""

    def _refused(self, decision: Facts) -> str:
        if decision["what"] == "claim.request":
            self._listed.add(decision["statement"])
        if "signed" in decision:
            self._asked_to_allocate(decision["signed"])
        if note := decision.get("note"):
            return self._noted(decision, note)
        if decision["code"] not in ASSERTED or decision.get("foreseen"):
            self._unproven[decision.get("actor", "")] += 1
            return ""
        if decision["code"] == "already-claimed" and "index" in decision:
            won, by = self._log.claims.get(decision["index"], {}), self._log.statements.get(decision["index"])
            is_true = (
                won.get("task") == decision["about"] and by is not None and by.id != decision["statement"]
            )
            return "" if is_true else f"entry {decision['index']} is no other claim on {decision['about']}"
        states = self._log.states(decision["about"], decision["size"], decision["size"] + 1)
        if not states & _MEANT[decision["code"]]:
            refusal = f"it refused {decision['statement']} as {decision['code']}"
            return f"{refusal}, and {decision['about']} was {_listed(states)}"
        return ""

    def _asked_to_allocate(self, signed: Any) -> None:
        """Remembers which coordinators signed this allocation."""
        try:
            spoken = verify_statement(msgspec.convert(signed, Envelope), "an allocation")
        except (NotProven, msgspec.ValidationError):
            return
        self._log.allocation(spoken)

    def _noted(self, decision: Facts, note: str) -> str:
        try:
            refusal = verify_refusal(note.encode(), self._key)
        except NotProven as error:
            return f"the note of a refusal: {error}"
        if (refusal.statement, refusal.code) != (decision["statement"], decision["code"]):
            return f"the note refuses {refusal.statement}: {refusal.code}"
        return ""

    def _ordered(self, decision: Facts) -> str:
        self._orders[decision["task_kind"]] = decision
        ranks = [rank for _, rank in decision["candidates"]]
        return (
            ""
            if ranks == sorted(ranks, reverse=True)
            else "its candidates are not in the order of their ranks"
        )

    def _offered(self, decision: Facts) -> str:
        if decision["why"] == "allocated":
            drawn = self._log.shortlists.get(decision["task"], [])
            return (
                ""
                if decision["to"] == drawn
                else f"the draw gave {drawn}, it was offered to {decision['to']}"
            )
        if decision["why"] == "assigned":
            return ""
        order = self._orders.get(decision["task_kind"])
        if order is None:
            return "it was offered before there was an order"
        places = {did: place for place, (did, _) in enumerate(order["candidates"])}
        if not order.get("left_out") and (unknown := [did for did in decision["to"] if did not in places]):
            return f"{unknown[0]} is not in the order that was published"
        newcomers = set(order["newcomers"])
        self._places += len(decision["to"])
        self._newcomers += len(newcomers.intersection(decision["to"]))
        known = [places[did] for did in decision["to"] if did in places and did not in newcomers]
        return "" if known == sorted(known) else "it was not offered in the order that was published"

    # -- in the end

    def close(self) -> None:
        """Holds what the log has and the feed should have against what the feed had."""
        for statement, (index, at_ms, signers) in self._log.signed.items():
            is_in = self._first_ms <= at_ms <= self._last_ms
            is_lost = any(start <= at_ms <= end for start, end in self._lost)
            if self._coordinator in signers and statement not in self._listed and is_in and not is_lost:
                self._false(index, f"it signed the claim of entry {index}, and does not say so in its feed")
        for (task, signer), statements in self._log.allocations.items():
            if len(statements) > 1:
                self._false(-1, f"{signer} signed {len(statements)} allocations of {task}")

    def report(self, relay: str, decisions: int) -> FeedReport:
        """Returns the report of what was held so far."""
        return FeedReport(
            not self._findings,
            relay,
            self._coordinator,
            decisions,
            self._log.size,
            dict(self._kinds),
            tuple(self._findings),
            dict(self._unproven),
            self._newcomers,
            self._places,
        )


def _listed(states: set[str]) -> str:
    return ", ".join(sorted(states))


_MEANT: dict[str, set[str]] = {
    "already-claimed": {TaskState.CLAIMED, TaskState.SPLIT},
    "task-split": {TaskState.SPLIT},
    "task-closed": {TaskState.CLOSED, UNKNOWN},
    "not-allocated": {TaskState.ALLOCATING, ALLOCATED},
    "already-allocated": {*_STATES.values()},
}
_CHECKS: dict[str, Callable[[_Checking, Facts], str]] = {
    "confirmed": _Checking._confirmed,
    "forwarded": _Checking._forwarded,
    "attested": _Checking._attested,
    "allocated": _Checking._allocated,
    "cosigned": _Checking._cosigned,
    "refused": _Checking._refused,
    "ordered": _Checking._ordered,
    "offered": _Checking._offered,
}
