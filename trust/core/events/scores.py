"""Events about records of conduct: observations with final weights, tracks, pools and their seals."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from trust.core.events.event import Event, known
from trust.core.events.parties import NETWORK
from trust.core.rawsums import accumulate, scaled
from trust.core.records import Liveness, Network, Pairing, Pool, Rater, Score, SealedPool, Slot, Track
from trust.core.state import Draft


class Observed(Event, tag="agent.observed", frozen=True, kw_only=True):
    """One observation in final milli-units. `counterparty` is the owner whose repeated praise counts less."""

    agent: str
    role: str
    task_kind: str
    why: str
    good_milli: int = 0
    bad_milli: int = 0
    failure_milli: int = 0
    counterparty: str = ""

    def write(self, s: Draft) -> None:
        network = known(s, Network, NETWORK)
        id = f"{self.agent}/{self.role}/{self.task_kind}"
        score = s.get(Score, id) or Score(
            id=id, agent=self.agent, role=self.role, task_kind=self.task_kind, events=0, index=0
        )
        s.put(replace(accumulate(score, self, s.at_ms, network), events=score.events + 1, index=s.size))
        if self.counterparty and self.good_milli:
            self._pair(s, network)

    def _pair(self, s: Draft, network: Network) -> None:
        id = f"{self.agent}/{self.task_kind}/{self.counterparty}"
        pairing = s.get(Pairing, id)
        before = pairing.good if pairing else b""
        s.put(Pairing(id=id, good=scaled(before, 1_000, s.at_ms, network.t0_ms, network.slow_half_life_ms)))

    def sentence(self) -> str:
        weights = (("good", self.good_milli), ("bad", self.bad_milli), ("failure", self.failure_milli))
        counted = ", ".join(f"{milli / 1000:.3f} {name}" for name, milli in weights if milli) or "nothing"
        return f"The record of {self.agent} as {self.role} in {self.task_kind}: {counted} ({self.why})."


class RaterChanged(Event, tag="rater.changed", frozen=True, kw_only=True):
    requester: str
    agree_milli: int
    against_milli: int

    def write(self, s: Draft) -> None:
        s.put(Rater(id=self.requester, agree_milli=self.agree_milli, against_milli=self.against_milli))

    def sentence(self) -> str:
        return (
            f"{self.requester}'s acceptances agreed with panels by {self.agree_milli} milli-units and disagreed by "
            f"{self.against_milli}."
        )


class WorkCounted(Event, tag="work.counted", frozen=True, kw_only=True):
    """A claim of this agent ended done or expired: its liveness."""

    agent: str
    done: bool

    def write(self, s: Draft) -> None:
        network = known(s, Network, NETWORK)
        record = s.get(Liveness, self.agent) or Liveness(id=self.agent)
        field = "done" if self.done else "expired"
        before = getattr(record, field)
        after = scaled(before, 1_000, s.at_ms, network.t0_ms, network.slow_half_life_ms)
        s.put(replace(record, **{field: after}))

    def sentence(self) -> str:
        return f"{self.agent} {'finished' if self.done else 'did not finish'} a claim."


class TrackChanged(Event, tag="track.changed", frozen=True, kw_only=True):
    """A worker's new track in this kind, which its next check rate depends on, as final values."""

    worker: str
    task_kind: str
    streak: int = 0
    rotations: int = 0
    checks: int = 0
    unchecked_milli: int = 0

    def write(self, s: Draft) -> None:
        s.put(
            Track(
                id=f"{self.worker}/{self.task_kind}",
                streak=self.streak,
                rotations=self.rotations,
                checks=self.checks,
                unchecked_milli=self.unchecked_milli,
            )
        )

    def sentence(self) -> str:
        return f"{self.worker} has a streak of {self.streak} in {self.task_kind}, after {self.checks} checks."


class PoolWeight(Event, tag="pool.weight", frozen=True, kw_only=True):
    """An enrolment's weight from this entry until the agent's next."""

    says: ClassVar[str] = "{agent} weighs {weight} in {pool}."

    pool: str
    slot: int
    agent: str
    owner: str = ""
    weight: int

    @property
    def house(self) -> str:
        """Returns the owner of the agent; `owner` is left out where the agent is its own."""
        return self.owner or self.agent

    def write(self, s: Draft) -> None:
        pool = s.get(Pool, self.pool) or Pool(id=self.pool, slots=0, dirty=False)
        if self.slot >= pool.slots:
            s.put(replace(pool, slots=self.slot + 1))
        s.put(
            Slot(
                id=f"{self.pool}/{self.slot}",
                pool=self.pool,
                number=self.slot,
                agent=self.agent,
                owner=self.house,
                weight=self.weight,
                index=s.size,
            )
        )


class PoolDue(Event, tag="pool.due", frozen=True, kw_only=True):
    """A pool, or the scores, changed since the last epoch began: the next one begins at `due_ms`."""

    says: ClassVar[str] = "The pool {pool} changed and is sealed after {due_ms}."

    pool: str
    due_ms: int

    def write(self, s: Draft) -> None:
        pool = s.get(Pool, self.pool) or Pool(id=self.pool, slots=0, dirty=True)
        s.put(replace(pool, dirty=True))
        s.set_timer(self.pool, "epoch", self.due_ms)


class PoolEpoch(Event, tag="pool.epoch", frozen=True, kw_only=True):
    """An epoch begins: the pool as of this entry (it included: `as_of` is the size after it) is to be sealed."""

    says: ClassVar[str] = "The pool {pool} is to be sealed as of {as_of} entries."

    pool: str
    epoch: int
    as_of: int

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Pool, self.pool), dirty=False, epoch=self.epoch, as_of=self.as_of))
        s.clear_timer(self.pool)


class PoolSealed(Event, tag="pool.sealed", frozen=True, kw_only=True):
    says: ClassVar[str] = "The pool {pool} is sealed: {count} slots, weight {total}."

    pool: str
    epoch: int
    as_of: int
    root: str
    count: int
    total: int
    heavy: tuple[tuple[str, int], ...]
    members: int = 0
    owners: int = 0

    def write(self, s: Draft) -> None:
        id = f"{self.pool}/{self.epoch}"
        s.put(
            SealedPool(
                id=id,
                pool=self.pool,
                epoch=self.epoch,
                as_of=self.as_of,
                root=self.root,
                count=self.count,
                total=self.total,
                heavy=self.heavy,
                members=self.members,
                owners=self.owners,
            )
        )
        s.put(replace(known(s, Pool, self.pool), sealed_epoch=self.epoch, sealed=id))
