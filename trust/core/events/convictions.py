"""Events about those whom evidence convicts, and about canaries (docs/rules.md 5 and 8)."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from trust.core.events.event import Event, known
from trust.core.events.parties import NETWORK
from trust.core.records import Canary, CanaryRoot, Claim, Conviction, Network, Party, Relay
from trust.core.state import Draft

CANARY_TIMER = "canary/"


class Convicted(Event, tag="convicted", frozen=True, kw_only=True):
    """A fact that proves misbehaviour, whom it convicts, and who showed it ("" where the log itself did)."""

    fact: str
    party: str
    reporter: str = ""

    def write(self, s: Draft) -> None:
        s.put(Conviction(id=self.fact, reporter=self.reporter, index=s.size))

    def sentence(self) -> str:
        by = f"{self.reporter} shows" if self.reporter else "The log itself shows"
        return f"{by} what convicts {self.party}: {self.fact}."


class StakeSlashed(Event, tag="stake.slashed", frozen=True, kw_only=True):
    """Nothing is left of a claim's stake, or of what was held of it; the claim itself goes on."""

    says: ClassVar[str] = "Nothing is left locked on {claim}."

    claim: str

    def write(self, s: Draft) -> None:
        claim = known(s, Claim, self.claim)
        if not claim.ended_ms:
            s.put(replace(claim, stake_units=0))
        elif claim.hold_units:
            s.put(replace(claim, hold_units=0))
            s.clear_timer(self.claim)


class UnbondingSlashed(Event, tag="unbonding.slashed", frozen=True, kw_only=True):
    """So much less stands behind a party's open withdrawals than they name; they share it as they are paid."""

    says: ClassVar[str] = (
        "{party} loses {units} of the units that are unbonding; its withdrawals share the loss."
    )

    party: str
    units: int

    def write(self, s: Draft) -> None:
        party = known(s, Party, self.party)
        s.put(replace(party, unbonding_lost_units=party.unbonding_lost_units + self.units))


class BondSlashed(Event, tag="bond.slashed", frozen=True, kw_only=True):
    """So much less stands behind the operator's open withdrawals from its bond than they name; they share it."""

    says: ClassVar[str] = "The operator loses {units} of the units that it withdraws from its bond."

    units: int

    def write(self, s: Draft) -> None:
        network = known(s, Network, NETWORK)
        s.put(replace(network, bond_lost_units=network.bond_lost_units + self.units))


class RelaySuspended(Event, tag="relay.suspended", frozen=True, kw_only=True):
    """These coordinators signed a false confirmation: no claims through their relay while one of them is in it."""

    relay: str
    signers: tuple[str, ...]

    def write(self, s: Draft) -> None:
        relay = known(s, Relay, self.relay)
        convicted = tuple(sorted({*relay.convicted, *self.signers}))
        s.put(replace(relay, suspended=True, convicted=convicted))

    def sentence(self) -> str:
        signers = " and ".join(self.signers)
        return (
            f"No claims through {self.relay} while {signers} belong to it: they signed a false confirmation."
        )


def canary_id(task: str, worker: str) -> str:
    """The key of a canary: one answer for one worker on one task."""
    return f"{task}/{worker}"


class CanariesCommitted(Event, tag="canaries.committed", frozen=True, kw_only=True):
    """`count` canaries under one Merkle root (hex), each to be opened before `open_by_ms`."""

    says: ClassVar[str] = "The operator promises {count} canaries under {root}, to be opened by {open_by_ms}."

    root: str
    count: int
    open_by_ms: int

    def write(self, s: Draft) -> None:
        s.put(
            CanaryRoot(
                id=self.root,
                count=self.count,
                opened=0,
                open_by_ms=self.open_by_ms,
                committed_ms=s.at_ms,
                index=s.size,
            )
        )
        s.set_timer(CANARY_TIMER + self.root, "canary", self.open_by_ms)


class CanaryOpened(Event, tag="canary.opened", frozen=True, kw_only=True):
    """A canary's answer; `claim` is the one that it becomes the verdict of, "" where it comes to bear on none;
    `measures` says that the answer could be appealed, so that seats answer for it."""

    root: str
    number: int
    task: str
    worker: str
    verdict: str
    claim: str = ""
    measures: bool = False

    def write(self, s: Draft) -> None:
        root = known(s, CanaryRoot, self.root)
        s.put(replace(root, opened=root.opened + 1))
        if root.opened + 1 == root.count:
            s.clear_timer(CANARY_TIMER + self.root)
        s.put(
            Canary(
                id=canary_id(self.task, self.worker),
                root=self.root,
                number=self.number,
                verdict=self.verdict,
                claim=self.claim,
                index=s.size,
            )
        )
        if self.claim:
            claim = known(s, Claim, self.claim)
            s.put(replace(claim, canary=self.verdict, measured=self.measures, draw_round=0))

    def sentence(self) -> str:
        bears = "it is the verdict now" if self.claim else "it comes to bear on no claim"
        if self.claim and not self.measures:
            bears += "; no appeal against it could be seated, so no seat is measured by it"
        return (
            f"{self.task} was a canary for {self.worker}; the answer that was committed to is {self.verdict}, "
            f"and {bears}."
        )


class CanariesMissed(Event, tag="canaries.missed", frozen=True, kw_only=True):
    """The date is over and so many canaries of a root are not open: the operator's fault."""

    says: ClassVar[str] = "{missing} canaries of {root} were not opened by their date: the operator's fault."

    root: str
    missing: int

    def write(self, s: Draft) -> None:
        known(s, CanaryRoot, self.root)
        s.clear_timer(CANARY_TIMER + self.root)
