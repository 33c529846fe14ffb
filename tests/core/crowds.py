"""Networks in which many offer the same kind of work, and what tests of allocations ask of them."""

from __future__ import annotations

from tests.core.flows import Scene
from tests.core.network import Net, Who, kinds
from tests.core.terms import EXACT, policy_of
from trust.core.records import Allocation, Party
from trust.core.rulebook import Decided


def crowd(workers: int, **terms: object) -> Scene:
    """So many capable workers of as many owners beside the scene's own, whose pools are sealed; no probation lane."""
    town = Scene(Net(policy_of(**{"probation_ppm": 0, **terms})), verifiers=4)
    for number in range(workers):
        town.net.join(f"capable {number}", capabilities=(EXACT,))
    town.net.tick(town.net.policy.verifiers.epoch_ms)
    return town


def capable(town: Scene) -> tuple[str, ...]:
    """Whoever registered with the kind, the requester among them."""
    return tuple(party.id for party in town.net.all(Party) if EXACT in party.capabilities)


def drawn_from(town: Scene, allocation: Allocation) -> list[Who]:
    """The shortlist."""
    return [town.net.people[place.agent] for place in allocation.shortlist]


def outsider(town: Scene, allocation: Allocation) -> Who:
    """Somebody who could have been drawn and was not."""
    drawn = {place.agent for place in allocation.shortlist}
    return next(
        town.net.people[did] for did in capable(town) if did not in drawn and did != town.requester.did
    )


def checked(town: Scene, claim: str, verdict: str = "pass") -> None:
    """A claim's way to its first panel's verdict."""
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, verdict)


def judged(town: Scene, claim: str) -> Decided:
    """The rest of a claim's honest way; the entry that ends it."""
    checked(town, claim)
    ended = town.net.tick(town.net.policy.windows.challenge_ms)
    return next(each for each in ended if "claim.ended" in kinds(each.events))
