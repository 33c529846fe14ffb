"""`needs` names ahead what a decision will read, so that a batch loads it in bulk (docs/architecture.md 3, State)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from tests.core.flows import ARTIFACT, Scene, scene
from tests.core.network import Who, created, nonce
from tests.core.proofs import Lied, Promise, evidence
from trust.core import payloads as p
from trust.core import rulebook
from trust.core.commands import Incoming
from trust.core.records import Claim, Node, Record, Timer
from trust.core.state import Draft, Key, View

R = TypeVar("R", bound=Record)
MAX_HOPS = 6


class Watched:
    """A view that holds what was loaded, and notes what was read beyond it."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.size, self.at_ms = view.size, view.at_ms
        self.loaded: set[Key] = set()
        self.beyond: set[Key] = set()

    def peek(self, kind: type[R], id: str) -> R | None:
        return self._view.get(kind, id) if (kind, id) in self.loaded else None

    def get(self, kind: type[R], id: str) -> R | None:
        if (kind, id) not in self.loaded:
            self.beyond.add((kind, id))
        return self._view.get(kind, id)

    def timers(self, limit: int) -> list[Timer]:
        return self._view.timers(limit)


def read_beyond(town: Scene, incoming: Incoming) -> set[Key]:
    """The records that deciding reads although `needs` did not name them."""
    watched = Watched(town.net.draft)
    for _ in range(MAX_HOPS):
        named = set(rulebook.needs([incoming], watched))
        if named <= watched.loaded:
            break
        watched.loaded |= named
    else:
        pytest.fail(f"needs names something new after {MAX_HOPS} hops")
    town.net.now_ms += 1
    rulebook.decide(Draft(watched), incoming, town.net.now_ms)
    return watched.beyond


def registration(town: Scene) -> Incoming:
    who, owner = Who("somebody"), town.rival
    return town.net.statement(
        p.AgentRegister, who, owner, pow=nonce(who.did, 4), handle="somebody", owner=owner.did
    )


def post(town: Scene) -> Incoming:
    return town.net.statement(p.TaskPost, town.requester, **town.terms())


def post_by_a_verifier(town: Scene) -> Incoming:
    return town.net.statement(p.TaskPost, town.verifiers[0], **town.terms())


def post_assigned(town: Scene) -> Incoming:
    terms = town.terms(assignee=town.rival.did, relay=town.relay)
    return town.net.statement(p.TaskPost, town.requester, **terms)


def cancel(town: Scene) -> Incoming:
    town.post()
    return town.net.statement(p.TaskCancel, town.requester, task="t1")


def deposit(town: Scene) -> Incoming:
    who = town.verifiers[0].did
    return town.net.statement(
        p.StakeDeposit, town.net.operator, account=who, amount_units=300, reference="wire"
    )


def bond(town: Scene) -> Incoming:
    return town.net.statement(
        p.StakeDeposit, town.net.operator, account="operator/bond", amount_units=300, reference="wire"
    )


def withdrawal(town: Scene) -> Incoming:
    return town.net.statement(p.StakeWithdraw, town.worker, amount_units=300)


def taking_back(town: Scene) -> Incoming:
    decided = town.net.say(p.StakeWithdraw, town.worker, amount_units=300)
    town.net.tick(180_000)
    return town.net.statement(p.StakeWithdraw, town.worker, cancel=created(decided, "withdrawal"))


def payout(town: Scene) -> Incoming:
    decided = town.net.say(p.StakeWithdraw, town.worker, amount_units=300)
    town.net.tick(120_000)
    withdrawal = created(decided, "withdrawal")
    return town.net.statement(
        p.StakePayout, town.net.operator, town.worker, withdrawal=withdrawal, reference="out"
    )


def first_claim(town: Scene) -> Incoming:
    town.post()
    return town.request()


def later_claim(town: Scene) -> Incoming:
    town.ended("before")
    town.post()
    return town.request()


def claim_by_a_verifier(town: Scene) -> Incoming:
    town.post()
    return town.request(worker=town.verifiers[0])


def output(town: Scene) -> Incoming:
    return town.output(town.claimed())


def batch_output(town: Scene) -> Incoming:
    return town.output(town.claimed(**town.batch_task(40)))


def renewal(town: Scene) -> Incoming:
    return town.net.statement(p.ClaimRenew, town.worker, claim=town.claimed())


def acceptance(town: Scene) -> Incoming:
    return town.net.statement(p.OutputAccept, town.requester, claim=town.submitted())


def opening(town: Scene) -> Incoming:
    return town.net.statement(p.OutputOpen, town.worker, claim=town.drawn())


def commit(town: Scene) -> Incoming:
    seat = town.seats(town.opened())[0]
    commitment = town.commitment(seat, town.vote(seat))
    return town.net.statement(p.VoteCommit, town.sitter(seat), seat=seat.id, commitment=commitment)


def last_commit(town: Scene) -> Incoming:
    *others, seat = town.seats(town.opened())
    for each in others:
        town.commit(each, town.vote(each))
    commitment = town.commitment(seat, town.vote(seat))
    return town.net.statement(p.VoteCommit, town.sitter(seat), seat=seat.id, commitment=commitment)


def reveal(town: Scene) -> Incoming:
    seats = town.seats(town.opened())
    for each in seats:
        town.commit(each, town.vote(each))
    return town.net.statement(p.VoteReveal, town.sitter(seats[0]), **town.vote(seats[0]))


def last_reveal(town: Scene) -> Incoming:
    *others, seat = town.seats(town.opened())
    for each in (*others, seat):
        town.commit(each, town.vote(each))
    for each in others:
        town.reveal(each, town.vote(each))
    return town.net.statement(p.VoteReveal, town.sitter(seat), **town.vote(seat))


def items_opening(town: Scene) -> Incoming:
    seat = town.seats(town.drawn(**town.batch_task(40)))[0]
    return town.net.statement(
        p.ItemsOpen, town.worker, seat=seat.id, items=town.opening(town.items_of(seat)[:16])
    )


def batch_reveal(town: Scene) -> Incoming:
    seats = town.seats(town.opened(**town.batch_task(40)))
    for each in seats:
        town.commit(each, town.vote(each))
    return town.net.statement(p.VoteReveal, town.sitter(seats[0]), **town.vote(seats[0]))


def challenge_of_a_pass(town: Scene) -> Incoming:
    return town.net.statement(p.VerdictChallenge, town.rival, claim=town.judged(), reason="doubt")


def second_challenge(town: Scene) -> Incoming:
    claim = town.judged()
    town.challenged(claim, town.rival)
    town.judge(claim)
    return town.net.statement(p.VerdictChallenge, town.requester, claim=claim, reason="doubt")


def last_reveal_of_a_challenged_round(town: Scene) -> Incoming:
    claim = town.judged()
    town.challenged(claim, town.rival)
    *others, seat = town.seats(claim)
    for each in (*others, seat):
        town.commit(each, town.vote(each))
    for each in others:
        town.reveal(each, town.vote(each))
    return town.net.statement(p.VoteReveal, town.sitter(seat), **town.vote(seat))


def cancel_between_others(town: Scene) -> Incoming:
    for number in range(3):
        town.post(f"t{number}")
    return town.net.statement(p.TaskCancel, town.requester, task="t1")


def equivocation(town: Scene) -> Incoming:
    return Lied(town).shown(town.rival)


def canary(town: Scene) -> Incoming:
    promise = Promise(town, ("t1", town.worker, "fail"))
    town.judged()
    return promise.opening()


def promise(town: Scene) -> Incoming:
    fields: dict[str, Any] = {"root": "1" * 64, "count": 3, "open_by_ms": town.net.now_ms + 10_000}
    return town.net.statement(p.CanaryCommit, town.net.operator, **fields)


def false_word(town: Scene) -> Incoming:
    claim = town.net.get(Claim, town.claimed())
    said: dict[str, Any] = {"task": "t1", "claim": claim.id, "worker": town.rival.did, "index": claim.index}
    lie = town.net.statement(p.RelayConfirm, town.net.coordinator, **said)
    return evidence(town, town.rival, "relay-confirm", lie)


def many_sided_registration(town: Scene) -> Incoming:
    kinds = ("code-review", "translate", "draw")
    who = Who("many-sided")
    return town.net.statement(p.AgentRegister, who, pow=nonce(who.did, 4), capabilities=kinds)


def allocation(town: Scene) -> Incoming:
    town.post(relay=town.relay)
    return town.allocation()


def allocation_among_some(town: Scene) -> Incoming:
    town.post(relay=town.relay)
    return town.allocation(candidates=(town.worker.did, town.rival.did, town.verifiers[0].did))


def draw_among_some(town: Scene) -> Incoming:
    town.net.do(allocation_among_some(town))
    return town.net.shortlist_draw_of("t1")


def drawn_claim(town: Scene) -> Incoming:
    town.allocated(candidates=(town.worker.did,))
    return town.request()


def cancelled_allocation(town: Scene) -> Incoming:
    town.allocated(exclusive_ms=500)
    town.net.tick(500)
    return town.net.statement(p.TaskCancel, town.requester, task="t1")


COMMON: tuple[Callable[[Scene], Incoming], ...] = (
    registration, post, post_by_a_verifier, post_assigned, cancel, deposit, bond, withdrawal, taking_back, payout,
    first_claim, later_claim, claim_by_a_verifier, output, batch_output, renewal, acceptance, opening, items_opening,
    commit, last_commit, reveal, last_reveal, batch_reveal, last_reveal_of_a_challenged_round, cancel_between_others,
    equivocation, promise, false_word, many_sided_registration, allocation, allocation_among_some,
    draw_among_some, drawn_claim, cancelled_allocation,
)  # fmt: skip


@pytest.mark.parametrize("say", COMMON, ids=lambda say: str(say.__name__))
def test_a_common_statement_reads_nothing_that_was_not_named_ahead(say: Callable[[Scene], Incoming]) -> None:
    town = scene()
    assert read_beyond(town, say(town)) == set()


@pytest.mark.parametrize("say", [challenge_of_a_pass, second_challenge, canary])
def test_a_challenge_reads_only_the_pool_and_whom_its_trial_comes_upon_beyond_that(
    say: Callable[[Scene], Incoming],
) -> None:
    town = scene(verifiers=30)
    beyond = read_beyond(town, say(town))
    verifiers = {who.did for who in town.verifiers}
    for kind, id in beyond:
        assert kind is Node or id.removeprefix("agent/").removesuffix("/free") in verifiers, (kind, id)


def test_a_whole_batch_is_named_at_once() -> None:
    town = scene()
    claim = town.claimed("done")
    town.post()
    batch = [town.request(), town.output(claim, artifacts=(ARTIFACT,)), post_by_a_verifier(town.fork())]
    watched = Watched(town.net.draft)
    while (named := set(rulebook.needs(batch, watched))) - watched.loaded:
        watched.loaded |= named
    alone: set[Key] = set()
    for each in batch:
        lone = Watched(town.net.draft)
        while (names := set(rulebook.needs([each], lone))) - lone.loaded:
            lone.loaded |= names
        alone |= lone.loaded
    assert watched.loaded == alone
