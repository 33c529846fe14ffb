"""The bodies of all 2xx answers, as types: the description of the API is made of them, each schema named once.

Views answer with plain objects; a record's members follow from the record itself, as `views/shapes.py` shows it. Tests
hold the answers of whole games against these types. A client passes over members that it does not know.
"""

from __future__ import annotations

from typing import Any, Literal, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from trust.api.endpoints import ENDPOINTS
from trust.api.views.readiness import Ready
from trust.core.bundle import Bundle
from trust.core.entry import Beacon
from trust.core.events import Events
from trust.core.overhead import Figures
from trust.core.payloads import Artifact
from trust.core.policy import Coordination, Policy
from trust.core.rate import Rate, RateInputs
from trust.core.receipt import ReceiptAnswer
from trust.core.records import (
    AdoptedRules,
    Allocation,
    Challenge,
    Claim,
    Conviction,
    Network,
    Party,
    Record,
    Relay,
    Round,
    Seat,
    Squad,
    Task,
    Withdrawal,
)
from trust.core.scorebook import ScoreFile
from trust.services.blobs import Stored
from trust.storage.reading import COUNTED, Posting
from trust.storage.tallies import NAMES as TALLIED
from trust.storage.tallies import SUMMED
from trust.verify.scores import AgentScores

Fields = list[tuple[str, Any]]
_MAY_BE_EMPTY = frozenset(
    {
        "Task.spec_uri",
        "Task.assignee",
        "Task.relay",
        "Party.handle",
        "Claim.pool",
        "Allocation.pool",
        "Allocation.lane",
    }
)
"""Texts that may be empty, hence null, beside those whose default is empty."""


def _of(record: type[Record], id: str, *hidden: str) -> Fields:
    """The members of a record: its id under another name, texts that may be empty as null."""
    hints = get_type_hints(record)
    defaults = {each.name: each.default for each in msgspec.structs.fields(record)}
    members: Fields = []
    for name in record.__struct_fields__:
        shown = id if name == "id" else name
        may_be_empty = defaults[name] == "" or f"{record.__name__}.{name}" in _MAY_BE_EMPTY
        if shown not in hidden:
            members.append(
                (shown, hints[name] | None if may_be_empty and hints[name] is str else hints[name])
            )
    return members


def _shape(name: str, *members: tuple[str, Any], **more: Any) -> Any:
    """An answer's type: members in order, a later one of the same name in place of an earlier."""
    return msgspec.defstruct(name, list((dict(members) | more).items()), module=__name__)


def _members(shape: type[msgspec.Struct]) -> Fields:
    hints = get_type_hints(shape)
    return [(name, hints[name]) for name in shape.__struct_fields__]


def _many(shape: Any) -> Any:
    return list[shape]


def _page(name: str, items: str, shape: Any, after: Any = str, **more: Any) -> Any:
    """A page of a list, and the place after which it goes on."""
    return _shape(name, *more.items(), (items, _many(shape)), ("after", after | None))


class AsOf(msgspec.Struct):
    """As of how many entries, and of when the last of them is."""

    size: int
    at_ms: int


class EntryShown(msgspec.Struct):
    """An entry with its events, in words too."""

    index: int
    at_ms: int
    kind: str
    words: list[str]
    events: list[Events]


class Balances(msgspec.Struct):
    """An agent's money in units."""

    free_units: int
    staked_units: int
    bonded_units: int
    unbonding_units: int


class Enrolment(msgspec.Struct):
    """A kind of task that an agent checks, and its slot in the pool."""

    task_kind: str
    slot: int


class AgentListed(msgspec.Struct):
    """An agent in a list: what it offers, and whether it may."""

    agent: str
    handle: str | None
    owner: str
    capabilities: list[str]
    checks: list[str]
    registered_ms: int
    index: int
    left: str | None
    jailed_until_ms: int


class ItemShown(msgspec.Struct):
    """An item of a batch; `leaf` is null until the worker opened it."""

    index: int
    leaf: str | None


class OutputShown(msgspec.Struct):
    """A delivered output: the statement, its entry, its artifacts, and whether it is open."""

    statement: str
    index: int
    opened: bool
    artifacts: list[Artifact]
    items_root: str | None
    items_count: int | None
    inputs: list[str]


class ClaimBrief(msgspec.Struct):
    """A claim on a task, in short."""

    claim: str
    worker: str
    state: str
    verdict: str | None
    index: int


class Due(msgspec.Struct):
    """The next due step of a claim, and its time."""

    kind: str
    due_ms: int


class ShortlistPlace(msgspec.Struct):
    """An agent that may claim a task first, and whether it came out of the probation lane."""

    agent: str
    probation: bool


class DrawShown(msgspec.Struct, rename={"of": "for"}):
    """A draw, with the VRF's proofs, and its entry."""

    index: int
    of: str
    beacons: list[Beacon]
    checkpoint: str | UnsetType = UNSET


class ScoreShown(msgspec.Struct):
    """An agent's scores in one role and kind of task, and what they are made of."""

    role: str
    task_kind: str
    interval_ppm: list[int]
    components: dict[str, int]
    observations_milli: int
    good_slow_milli: int
    bad_slow_milli: int
    good_fast_milli: int
    bad_fast_milli: int
    events: int
    last_index: int
    expected_ppm: int | UnsetType = UNSET
    priority_ppm: int | UnsetType = UNSET
    accuracy_ppm: int | UnsetType = UNSET


class Newcomer(msgspec.Struct):
    """The scores of who has no record yet."""

    expected_ppm: int
    priority_ppm: int


class Moved(msgspec.Struct):
    """An observation that weighs much today."""

    index: int
    entry: str
    at_ms: int
    role: str
    task_kind: str
    why: str
    effect_milli: int
    worth_milli: int


class GraphShown(msgspec.Struct):
    """The result of the last graph pass for an owner."""

    as_of: AsOf
    owner: str
    trust_q30: int
    weight_ppm: int
    good_milli: int
    bad_milli: int
    expected_ppm: int


class AgentReputation(msgspec.Struct):
    """An agent's named scores, and what stands behind them."""

    agent: str
    handle: str | None
    as_of: AsOf
    scores: list[ScoreShown]
    newcomer: Newcomer
    liveness_ppm: int
    rater_ppm: int
    stake_units: int
    locked_units: int
    age_ms: int
    rotations: int
    left: str | None
    jailed_until_ms: int | None
    failed_exact_checks_ms: list[int]
    liveness_faults_ms: list[int]
    elsewhere: list[AgentScores]
    moved_most: list[Moved]
    graph: GraphShown | None


class ScorePoint(msgspec.Struct):
    """A score just after an observation."""

    index: int
    at_ms: int
    why: str
    effect_milli: int
    interval_ppm: list[int]
    expected_ppm: int | UnsetType = UNSET
    priority_ppm: int | UnsetType = UNSET
    accuracy_ppm: int | UnsetType = UNSET


class ScoreHistory(msgspec.Struct):
    """How a score came to be; `complete` where the points go back to the first."""

    agent: str
    role: str
    task_kind: str
    as_of: AsOf
    observations: int
    complete: bool
    points: list[ScorePoint]


class Ranked(msgspec.Struct):
    """A candidate in its place; `reason` is the code of why it may not claim now, empty where it may."""

    rank: int
    agent: str
    eligible: bool
    reason: str
    rank_ppm: int
    priority_ppm: int
    expected_ppm: int
    interval_ppm: list[int]
    liveness_ppm: int
    stake_units: int
    observations_milli: int
    hint: str
    elsewhere: list[dict[str, Any]]


class Priorities(msgspec.Struct):
    """Candidates in the order in which a relay should prefer them."""

    task_kind: str
    task: str | None
    as_of: AsOf
    candidates: list[Ranked]


class Find(msgspec.Struct):
    """Something that a word names: its kind and id, where it is read, and what of it was matched."""

    kind: Literal["agent", "task", "claim", "seat", "relay", "challenge", "withdrawal", "entry", "blob"]
    id: str
    path: str
    matched: str


class _MaybeProblem(msgspec.Struct, kw_only=True):
    """The members of an answer that are there where it is a problem (RFC 9457)."""

    type: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    reasons: list[str] | UnsetType = UNSET
    hint: str | UnsetType = UNSET


class Preview(_MaybeProblem, kw_only=True):
    """The answer that a write would get: `status` 201 and what is promised, 200 for a statement that is on the log
    already, or a problem."""

    status: int
    statement: str
    as_of: int | UnsetType = UNSET
    repeated: bool | UnsetType = UNSET
    index: int | UnsetType = UNSET
    stake_units: int | UnsetType = UNSET
    lease_until_ms: int | UnsetType = UNSET
    rate_ppm: int | UnsetType = UNSET
    rate: Rate | UnsetType = UNSET
    inputs: RateInputs | UnsetType = UNSET


class Written(msgspec.Struct):
    """A statement that is on the log; `result` has the ids, and due times, of what it created."""

    statement: str
    receipt: ReceiptAnswer
    repeated: bool
    result: dict[str, str | int]


class BatchResult(_MaybeProblem, kw_only=True):
    """One statement of a batch: its entry and proof under the batch's checkpoint, or a problem."""

    status: int
    statement: str | None
    index: int | UnsetType = UNSET
    entry: str | UnsetType = UNSET
    proof: str | UnsetType = UNSET


class BatchWritten(msgspec.Struct):
    """A batch: one checkpoint for all its receipts, and a result for each statement, in order."""

    checkpoint: str
    size: int
    results: list[BatchResult]


class Drawn(msgspec.Struct, rename={"of": "for"}):
    """A draw that is on the log."""

    of: str
    index: int


class BlobStored(msgspec.Struct):
    """Bytes that are stored."""

    sha256: str
    size_bytes: int


class Live(msgspec.Struct):
    """The process answers."""

    status: Literal["live"]


class Version(msgspec.Struct):
    """Release, log format, the newest rules it knows, and the log's key."""

    version: str
    format: int
    rules: int
    vkey: str


class Inclusion(msgspec.Struct):
    """The path from an entry to the root; `checkpoint` where one of this size is signed."""

    index: int
    leaf: str
    path: list[str]
    size: int
    root: str
    checkpoint: str | None


class Consistency(msgspec.Struct, rename={"old": "from", "new": "to"}):
    """That the log at `to` entries begins with the log at `from`."""

    old: int
    new: int
    path: list[str]
    size: int
    root: str
    checkpoint: str | None


class InputShown(msgspec.Struct):
    """An input of an output: a claim or a digest, and the claims that had delivered it before."""

    input: str
    claims: list[str]


class MadeFrom(msgspec.Struct):
    """An output that was made from another: its claim, its entry, and which inputs it named."""

    claim: str
    index: int
    inputs: list[str]


class LogKeyShown(msgspec.Struct):
    """A key that the log has or had, and for which entries."""

    vkey: str
    since_index: int
    until_index: int | None


class AnnouncedPolicy(msgspec.Struct):
    """A policy that is not in force yet."""

    policy: int
    effective_ms: int


RelayShown = _shape("Relay", *_of(Relay, "relay"))
TaskShown = _shape("Task", *_of(Task, "task"))
ClaimShown = _shape("Claim", *_of(Claim, "claim"))
AllocationShown = _shape(
    "TaskAllocation",
    *_of(Allocation, "task", "task", "shortlist"),
    shortlist=list[ShortlistPlace],
    draw=DrawShown | None,
)
TaskAnswer = _shape(
    "TaskWithClaims",
    *_of(Task, "task"),
    escrow_units=int,
    exact=bool,
    allocation=AllocationShown | None,
    claims=list[ClaimBrief],
)
SeatShown = _shape(
    "SeatOnPanel",
    *_of(Seat, "seat", "claim", "round"),
    current=bool,
    items=list[ItemShown],
    to_open=int,
)
SquadShown = _shape("SquadShown", *_of(Squad, "squad"))
SquadAnswer = _shape(
    "Squad",
    *_of(Squad, "squad"),
    parts=_many(_shape("PartWithClaims", *_members(TaskShown), claims=_many(ClaimBrief))),
)
RoundShown = _shape(
    "Round",
    *_of(Round, "round", "seats", "claim", "past_seats", "items", "to_open", "replaced"),
    round=int,
    seats=_many(SeatShown),
)
ChallengeShown = _shape("Challenge", *_of(Challenge, "challenge", "claim"))
ClaimAnswer = _shape(
    "ClaimWithRounds",
    *_of(Claim, "claim"),
    staked_units=int,
    due=Due | None,
    task=TaskShown,
    output=OutputShown | None,
    challenges=_many(ChallengeShown),
    rounds=_many(RoundShown),
)
Duty = _shape(
    "Seat",
    *_of(Seat, "seat"),
    phase=str,
    fee_units=int,
    liability_units=int,
    quorum=int,
    accept_count=int,
    worker=str,
    claim_state=str,
    task=TaskShown,
    output=OutputShown | None,
    items=list[ItemShown],
    to_open=int,
)
AgentAnswer = _shape(
    "Agent",
    *_of(Party, "agent", "vacated", "liveness_ms", "failures_ms"),
    enrolled=list[Enrolment],
    roles=list[str],
    balances=Balances,
    blobs=Stored,
)
Ledger = _page(
    "Ledger",
    "postings",
    Posting,
    agent=str,
    balances=Balances,
    withdrawals=_many(_shape("Withdrawal", *_of(Withdrawal, "withdrawal", "party"))),
)
PolicyAnswer = _shape(
    "NetworkPolicy",
    *_of(Network, "id", "id"),
    network=str,
    vkey=str,
    log_keys=list[LogKeyShown],
    policy=int,
    in_force=int,
    effective_ms=int,
    index=int,
    terms=Policy,
    announced=list[AnnouncedPolicy],
    announced_rules=_many(_shape("AnnouncedRules", *_of(AdoptedRules, "rules"))),
)
Stats = _shape(
    "Stats",
    *((name, int) for name in ("size", "at_ms")),
    *((name, int) for name in COUNTED),
    *((f"{name}_units", int) for name in SUMMED),
    *((name, int) for name in ("blob_bytes", "overdue_payouts", "overdue_payouts_units")),
)
PeriodShown = _shape(
    "PeriodShown",
    *((name, int) for name in ("since_ms", "pool_units", *TALLIED)),
    checked_ppm=int | None,
    coordination_ppm=int | None,
)
Periods = _page("Periods", "periods", PeriodShown, int, as_of=AsOf, per=Literal["hour", "day"], width_ms=int)
ConvictionShown = _shape(
    "ConvictionShown",
    *_of(Conviction, "fact"),
    type=str,
    party=str,
    at_ms=int,
    words=list[str],
)
DueShown = _shape(
    "DueShown",
    *((name, str) for name in ("kind", "id", "what")),
    *((name, str | None) for name in ("claim", "task", "agent")),
    due_ms=int,
)
OverheadPair = _shape("OverheadPair", *_members(Figures), task_kind=str, relay=str)
Overhead = _page("Overhead", "pairs", OverheadPair, as_of=AsOf, thresholds=Coordination, network=Figures)
TaskList = _page("TaskList", "tasks", TaskShown)
ClaimList = _page("ClaimList", "claims", ClaimShown)
EntryList = _page("EntryList", "entries", EntryShown, int)

ANSWERS: dict[str, Any] = {
    "GET /health/live": Live,
    "GET /health/ready": Ready,
    "GET /version": Version,
    "GET /metrics": str,
    "GET /log/checkpoint": str,
    "GET /log/tile/{path}": bytes,
    "GET /log/proof/inclusion": Inclusion,
    "GET /log/proof/consistency": Consistency,
    "GET /log/leaf/{digest}": Inclusion,
    "GET /v1/receipts/{index}": ReceiptAnswer,
    "GET /v1/policy": PolicyAnswer,
    "GET /v1/stats": Stats,
    "GET /v1/stats/overhead": Overhead,
    "GET /v1/stats/periods": Periods,
    "GET /v1/convictions": _page("ConvictionList", "convictions", ConvictionShown, int),
    "GET /v1/due": _page("DueList", "due", DueShown, as_of=AsOf),
    "GET /v1/events": str,
    "GET /v1/entries": EntryList,
    "GET /v1/search": _page("SearchResult", "found", Find),
    "GET /v1/tasks": TaskList,
    "GET /v1/tasks/{task}": TaskAnswer,
    "GET /v1/tasks/{task}/timeline": _page("TaskTimeline", "entries", EntryShown, int, task=str),
    "GET /v1/squads/{squad}": SquadAnswer,
    "GET /v1/claims": ClaimList,
    "GET /v1/claims/{claim}": ClaimAnswer,
    "GET /v1/claims/{claim}/timeline": _page("ClaimTimeline", "entries", EntryShown, int, claim=str),
    "GET /v1/claims/{claim}/provenance": _page(
        "Provenance", "outputs", MadeFrom, int, claim=str, inputs=list[InputShown]
    ),
    "GET /v1/claims/{claim}/bundle": Bundle,
    "GET /v1/seats": _page("SeatList", "seats", Duty),
    "GET /v1/squads": _page("SquadList", "squads", SquadShown),
    "GET /v1/relays": _page("RelayList", "relays", RelayShown),
    "GET /v1/relays/{relay}": RelayShown,
    "GET /v1/agents": _page("AgentList", "agents", AgentListed),
    "GET /v1/agents/{agent}": AgentAnswer,
    "GET /v1/agents/{agent}/reputation": AgentReputation,
    "GET /v1/agents/{agent}/reputation/history": ScoreHistory,
    "GET /v1/agents/{agent}/reputation/proof": ScoreFile,
    "GET /v1/agents/{agent}/ledger": Ledger,
    "GET /v1/agents/{agent}/seats": _page("AgentSeats", "seats", Duty, agent=str),
    "GET /v1/agents/{agent}/tasks": TaskList,
    "GET /v1/agents/{agent}/claims": ClaimList,
    "GET /v1/agents/{agent}/timeline": _page("AgentTimeline", "entries", EntryShown, int, agent=str),
    "GET /v1/blobs/{digest}": bytes,
    "PUT /v1/blobs/{digest}": BlobStored,
    "PUT /v1/agents/{agent}/elsewhere": AgentScores,
    "POST /v1/claims/check": Preview,
    "POST /v1/statements": BatchWritten,
    "POST /v1/priorities": Priorities,
    "POST /v1/draws": Drawn,
    **{f"POST {endpoint}": Written for endpoint in ENDPOINTS},
}
"""What each operation answers with where it is done."""
