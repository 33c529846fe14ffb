"""Events about tasks and claims."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from trust.core.events.event import Event, known
from trust.core.lifecycle import ClaimState, TaskState
from trust.core.overhead import NETWORK as WHOLE_NETWORK
from trust.core.overhead import Legs, added, overhead_id
from trust.core.payloads import Part, Reference
from trust.core.rate import RateInputs, in_words, percent
from trust.core.records import Allocation, Bar, Claim, Overhead, Pins, Poster, Probation, Task
from trust.core.state import Draft

TASK_TIMER = "task/"
PINS = "policies"
LEAVING_TIMER = "leaving/"
DRAWN_ROUTES = frozenset({"allocated", "probation"})
"""The ways to a claim that a draw after `task.post` led to."""


def deadline_of(task: str) -> str:
    """The timer of a task. Requesters choose task ids, so they get a space of their own among the timers."""
    return TASK_TIMER + task


def leaving(party: str) -> str:
    """The timer by which the tasks of a party that left close, a few in each entry."""
    return LEAVING_TIMER + party


def landed(s: Draft, claim: Claim) -> None:
    """A newcomer may have another task of the lane: this one passed its check, or came to an end."""
    if claim.route == "probation":
        in_flight = s.get(Probation, claim.worker)
        if in_flight is not None and in_flight.claim == claim.id:
            s.drop(Probation, claim.worker)


def pin(s: Draft, policy: int, change: int) -> None:
    """One more, or one fewer, task that is not closed pins this policy."""
    pins = s.get(Pins, PINS) or Pins(id=PINS)
    counts = dict(pins.open)
    counts[policy] = counts.get(policy, 0) + change
    s.put(replace(pins, open=tuple(sorted(pair for pair in counts.items() if pair[1]))))


def _spend(s: Draft, claim: Claim) -> None:
    """Counts what a claim took that ends now, for its kind and relay and for the whole network."""
    task = known(s, Task, claim.task)
    legs = Legs(claim.waited_ms, lost_ms=s.at_ms - claim.opened_ms)
    if claim.output:
        legs = Legs(claim.waited_ms, claim.submitted_ms - claim.opened_ms, s.at_ms - claim.submitted_ms)
    for id, task_kind, relay in (
        (overhead_id(task.task_kind, claim.relay), task.task_kind, claim.relay),
        (WHOLE_NETWORK, "", ""),
    ):
        so_far = s.get(Overhead, id) or Overhead(id=id, task_kind=task_kind, relay=relay)
        s.put(added(so_far, legs, s.at_ms))


_ROUTES = {
    "allocated": "was drawn for it",
    "probation": "was drawn for it from the probation lane",
    "first-come": "was the first to come",
    "assigned": "was named by the requester",
    "own": "is of one owner with the requester",
}


def listed(s: Draft, requester: str, task: str) -> str:
    """Puts a new task at the head of its requester's; returns the one that it stands before."""
    poster = s.get(Poster, requester) or Poster(id=requester)
    if poster.newest:
        s.put(replace(known(s, Task, poster.newest), newer=task))
    s.put(replace(poster, newest=task))
    return poster.newest


class TaskPosted(Event, tag="task.posted", frozen=True, kw_only=True):
    creates: ClassVar[tuple[str, ...]] = ("task",)

    task: str
    requester: str
    task_kind: str
    policy: int
    deadline_ms: int
    price_units: int
    fees_units: int
    stake_units: int
    lease_ms: int
    spec_sha256: str
    spec_uri: str = ""
    items_count: int = 0
    tolerated_bad_ppm: int = 0
    assignee: str = ""
    relay: str = ""
    references: tuple[Reference, ...] = ()
    parts: tuple[Part, ...] = ()
    most_parts: int = 1

    def write(self, s: Draft) -> None:
        older = listed(s, self.requester, self.task)
        s.put(
            Task(
                id=self.task,
                requester=self.requester,
                task_kind=self.task_kind,
                index=s.size,
                policy=self.policy,
                state=TaskState.OPEN,
                posted_ms=s.at_ms,
                deadline_ms=self.deadline_ms,
                price_units=self.price_units,
                fees_units=self.fees_units,
                stake_units=self.stake_units,
                lease_ms=self.lease_ms,
                spec_sha256=self.spec_sha256,
                spec_uri=self.spec_uri,
                items_count=self.items_count,
                tolerated_bad_ppm=self.tolerated_bad_ppm,
                assignee=self.assignee,
                relay=self.relay,
                older=older,
                references=self.references,
                parts=self.parts,
                most_parts=self.most_parts,
            )
        )
        pin(s, self.policy, 1)
        s.set_timer(deadline_of(self.task), "deadline", self.deadline_ms)

    def sentence(self) -> str:
        batch = f" It is a batch of {self.items_count} items." if self.items_count else ""
        batch += f" A squad may split it into {self.most_parts} parts." if self.most_parts > 1 else ""
        named = ", ".join(f"{each.scheme} {each.value}" for each in self.references)
        elsewhere = f" Elsewhere it is {named}." if named else ""
        return (
            f"{self.requester} posts {self.task} ({self.task_kind}): price {self.price_units}, "
            f"fees {self.fees_units}, a stake of at least {self.stake_units}, under policy {self.policy}, "
            f"until {self.deadline_ms}.{batch}{elsewhere}"
        )


class TaskReopened(Event, tag="task.reopened", frozen=True, kw_only=True):
    """Open to all: a shortlist that it had counts no more."""

    says: ClassVar[str] = "{task} is open again."

    task: str

    def write(self, s: Draft) -> None:
        task = known(s, Task, self.task)
        s.put(replace(task, state=TaskState.OPEN, claim="", exclusive_until_ms=0, reopened_ms=s.at_ms))
        s.set_timer(deadline_of(self.task), "deadline", task.deadline_ms)


class TaskClosed(Event, tag="task.closed", frozen=True, kw_only=True):
    says: ClassVar[str] = "{task} is closed: {why}."

    task: str
    why: str

    def write(self, s: Draft) -> None:
        task = known(s, Task, self.task)
        s.put(replace(task, state=TaskState.CLOSED, closed_why=self.why))
        pin(s, task.policy, -1)
        s.clear_timer(deadline_of(self.task))
        if task.older:
            s.put(replace(known(s, Task, task.older), newer=task.newer))
        if task.newer:
            s.put(replace(known(s, Task, task.newer), older=task.older))
        else:
            s.put(replace(known(s, Poster, task.requester), newest=task.older))


class TasksDue(Event, tag="tasks.due", frozen=True, kw_only=True):
    """A requester left: its tasks from `task` on, the newer first, are due to close at once, in clock entries."""

    says: ClassVar[str] = "The open tasks of {party} close at once, in entries of their own."

    party: str
    task: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Poster, self.party), closing=self.task))
        s.set_timer(leaving(self.party), "leaving", s.at_ms)


class TasksFollowed(Event, tag="tasks.followed", frozen=True, kw_only=True):
    """No task of a requester that left is open any more."""

    says: ClassVar[str] = "No task of {party} is open any more."

    party: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Poster, self.party), closing=""))
        s.clear_timer(leaving(self.party))


class TaskBarred(Event, tag="task.barred", frozen=True, kw_only=True):
    """The owner of a worker who was rejected, expired or abandoned may not claim this task again."""

    says: ClassVar[str] = "{owner} may not claim {task} again."

    task: str
    owner: str
    claim: str

    def write(self, s: Draft) -> None:
        s.put(Bar(id=f"{self.task}/{self.owner}", claim=self.claim))


class ClaimOpened(Event, tag="claim.opened", frozen=True, kw_only=True):
    """The claim, its stake's lock, and the check rate with what it follows from beside the policy.

    `route` is allocated, probation (allocated out of that lane), first-come, assigned or own; `delta_ppm` is what a
    good observation of this claim counts for it. The lease runs out `grace_ms` after its end: until then counts what
    its relay was shown in time.
    """

    creates: ClassVar[tuple[str, ...]] = ("claim", "lease_until_ms")

    claim: str
    task: str
    worker: str
    relay: str
    stake_units: int
    lease_until_ms: int
    draw_key: str
    pool: str
    route: str
    delta_ppm: int
    rate_ppm: int
    inputs: RateInputs
    grace_ms: int = 0

    def write(self, s: Draft) -> None:
        task = known(s, Task, self.task)
        s.put(
            Claim(
                id=self.claim,
                task=self.task,
                worker=self.worker,
                relay=self.relay,
                index=s.size,
                state=ClaimState.CLAIMED,
                stake_units=self.stake_units,
                opened_ms=s.at_ms,
                lease_until_ms=self.lease_until_ms,
                rate_ppm=self.rate_ppm,
                appealable=self.inputs.appealable,
                draw_key=self.draw_key,
                pool=self.pool,
                route=self.route,
                delta_ppm=self.delta_ppm,
                waited_ms=s.at_ms - max(task.posted_ms, task.reopened_ms),
                task_kind=task.task_kind,
            )
        )
        if self.route in DRAWN_ROUTES:
            own = s.get(Allocation, self.task)
            s.put(replace(own or known(s, Allocation, task.parent), used=True))
        if self.route == "probation":
            s.put(Probation(id=self.worker, claim=self.claim))
        s.put(replace(task, state=TaskState.CLAIMED, claim=self.claim))
        s.clear_timer(deadline_of(self.task))
        s.set_timer(self.claim, "lease", self.lease_until_ms + self.grace_ms)

    def sentence(self) -> str:
        return (
            f"{self.worker} wins {self.task} ({self.claim}), locks a stake of {self.stake_units} and has the lease "
            f"until {self.lease_until_ms}. It {_ROUTES[self.route]}: praise counts {percent(self.delta_ppm)}. "
            f"It is checked with probability {percent(self.rate_ppm)}, which follows from {in_words(self.inputs)}."
        )


class ClaimRenewed(Event, tag="claim.renewed", frozen=True, kw_only=True):
    says: ClassVar[str] = "The lease goes on until {lease_until_ms}."

    claim: str
    lease_until_ms: int
    grace_ms: int = 0

    def write(self, s: Draft) -> None:
        claim = known(s, Claim, self.claim)
        s.put(replace(claim, lease_until_ms=self.lease_until_ms, renewals=claim.renewals + 1))
        s.set_timer(self.claim, "lease", self.lease_until_ms + self.grace_ms)


class OutputSubmitted(Event, tag="output.submitted", frozen=True, kw_only=True):
    """`output` is the id of the statement that submits it; its draw must be made before `draw_by_ms`."""

    says: ClassVar[str] = "The output {output} is delivered; whether it is checked is drawn by {draw_by_ms}."

    claim: str
    output: str
    draw_by_ms: int
    items_root: str = ""
    opened: bool = False

    def write(self, s: Draft) -> None:
        claim = known(s, Claim, self.claim)
        s.put(
            replace(
                claim,
                state=ClaimState.SUBMITTED,
                opened=self.opened,
                output=self.output,
                output_index=s.size,
                submitted_ms=s.at_ms,
                items_root=self.items_root,
                draw_round=1,
            )
        )
        s.set_timer(self.claim, "draw", self.draw_by_ms)


class OutputAccepted(Event, tag="output.accepted", frozen=True, kw_only=True):
    says: ClassVar[str] = "The requester accepts the output and gives up its right to challenge it."

    claim: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Claim, self.claim), accepted_by_requester=True))


class CoinTossed(Event, tag="coin.tossed", frozen=True, kw_only=True):
    """The draw of round 1 said whether the output is checked. Unchecked: open to challenge until `until_ms`. `caught`:
    checked whatever the coin says, because the worker was caught in other work."""

    claim: str
    checked: bool
    until_ms: int = 0
    caught: bool = False

    def write(self, s: Draft) -> None:
        claim = known(s, Claim, self.claim)
        if self.checked:
            s.put(replace(claim, state=ClaimState.CHECKING, draw_round=0, caught=self.caught))
            s.clear_timer(self.claim)
        else:
            s.put(replace(claim, state=ClaimState.UNCHECKED, unchecked=True, draw_round=0))
            s.set_timer(self.claim, "challenge", self.until_ms)

    def sentence(self) -> str:
        if self.caught:
            return "Its worker was caught in other work: this output is checked."
        if self.checked:
            return "The draw says: this output is checked."
        return f"The draw says: no check; the output is open to challenge until {self.until_ms}."


class ClaimEnded(Event, tag="claim.ended", frozen=True, kw_only=True):
    """The claim's last state, and what stays locked of its stake for evidence until `hold_until_ms`."""

    claim: str
    state: str
    hold_units: int = 0
    hold_until_ms: int = 0

    def write(self, s: Draft) -> None:
        claim = known(s, Claim, self.claim)
        s.put(replace(claim, state=self.state, draw_round=0, hold_units=self.hold_units, ended_ms=s.at_ms))
        if self.state == ClaimState.ABANDONED:
            s.put(replace(known(s, Task, claim.task), abandoned=True))
        landed(s, claim)
        _spend(s, claim)
        if self.hold_units:
            s.set_timer(self.claim, "evidence", self.hold_until_ms)
        else:
            s.clear_timer(self.claim)

    def sentence(self) -> str:
        held = f"; {self.hold_units} of the stake stay locked for evidence until {self.hold_until_ms}"
        return f"The claim {self.claim} is {self.state}{held if self.hold_units else ''}."


class HoldReleased(Event, tag="hold.released", frozen=True, kw_only=True):
    says: ClassVar[str] = "The evidence window of {claim} is over."

    claim: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Claim, self.claim), hold_units=0))
        s.clear_timer(self.claim)
