"""Attacks with canaries: answers to other people's work, opened by the look of the votes, against whom cannot
appeal."""

from __future__ import annotations

from tests.core.flows import Scene, scene
from tests.core.proofs import Promise, whole

BOND = 5_000
LEAST = 1_000


def false_answer(town: Scene, answer: str, votes: str) -> tuple[Promise, str]:
    """The operator had committed to an answer about work that others ordered and did."""
    promise = Promise(town, ("t1", town.worker, answer))
    claim = town.opened()
    town.judge(claim, votes)
    return promise, claim


def test_the_operator_opens_a_canary_on_a_third_partys_honest_work() -> None:
    """Under rules 1 the worker had 0 for a task of 2,000 (here 100), and the operator lost nothing. Now the worker
    has its price, and an answer that cannot be opened costs the operator its least bond."""
    town = scene()
    before = town.net.free(town.worker)
    promise, claim = false_answer(town, "fail", "pass")
    town.net.refused("no-consent", promise.opening(agreed=False))
    town.window_over(claim)
    assert town.state(claim) == "accepted"
    town.net.tick(10_000)
    assert town.net.free(town.worker) - before == 100
    town.net.tick_to(promise.secrets.open_by_ms)
    assert town.net.balance("operator/bond") == BOND - LEAST
    whole(town)


def test_the_operator_opens_a_canary_only_when_its_friend_was_caught() -> None:
    """Under rules 1 the friend lost 0 instead of its stake, with no strike. Now an honest requester does not sign,
    and the friend is rejected; and of its own plants the operator cannot leave closed those that its friend passed."""
    town = scene()
    before = town.net.free(town.worker)
    promise, claim = false_answer(town, "fail", "fail")
    town.net.refused("no-consent", promise.opening(agreed=False))
    town.window_over(claim)
    assert town.state(claim) == "rejected"
    assert town.net.free(town.worker) - before == -150
    assert len(town.party(town.worker).failures_ms) == 1
    town.net.tick_to(promise.secrets.open_by_ms)
    assert town.net.balance("operator/bond") == BOND - LEAST


def test_the_operator_leaves_closed_each_canary_that_its_friends_passed() -> None:
    """Under rules 1 one missed date cost the least bond once, however many canaries of the root stayed closed."""
    town = scene()
    promise = Promise(town, *((f"t{number}", town.worker, "fail") for number in range(3)))
    for number in range(3):
        town.ended(f"t{number}")
    town.net.tick_to(promise.secrets.open_by_ms)
    assert town.net.balance("operator/bond") == BOND - 3 * LEAST


def test_a_false_canary_in_a_pool_of_nine() -> None:
    """Under rules 1 three honest verifiers lost 200 each and could not appeal; the operator lost nothing. Now nobody
    answers for an answer against which no panel could be seated."""
    town = scene(verifiers=9)
    before = {who.did: town.net.free(who) for who in town.verifiers}
    promise, claim = false_answer(town, "fail", "pass")
    promise.open()
    town.window_over(claim)
    assert {seat.outcome for seat in town.seats(claim)} == {"heard"}
    assert all(town.net.free(who) >= before[who.did] for who in town.verifiers)
    whole(town)
