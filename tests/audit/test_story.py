"""A case as a story that a person understands: who, what, why, how much, and what it means, in order."""

from __future__ import annotations

import json

import pytest

from tests.core.flows import Scene, scene, unchecked
from tests.core.network import Who
from tests.core.proofs import Lied, Promise
from tests.golden.releases import HERE, SEALED, entries_of, manifest_of
from trust.core.records import Task
from trust.verify.story import moment, tell


def told(town: Scene, case: str) -> list[str]:
    return tell(case, [(entry.index, entry.data) for entry in town.net.entries]).summary


def in_order(lines: list[str], *sentences: str) -> None:
    """Each of these is in a line of its own, one after the other."""
    rest = iter(lines)
    for sentence in sentences:
        assert any(sentence in line for line in rest), (
            f"{sentence!r} is not told in its place:\n" + "\n".join(lines)
        )


def name(who: Who) -> str:
    """A party as stories name it."""
    return f"..{who.did[-6:]}"


@pytest.fixture
def town() -> Scene:
    return scene(verifiers=30)


def test_an_escalated_appealed_and_slashed_batch_reads_as_a_story(town: Scene) -> None:
    claim = town.opened("batch", **town.batch_task(40))
    contested = town.round(claim).items[0][:1]
    town.judge(claim, bad=[contested, [], []])
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim)
    town.challenged(claim, town.rival)
    town.open(claim)
    town.judge(claim, bad=[tuple(range(40))] * 15)
    assert town.state(claim) == "rejected"
    requester, worker, rival = map(name, (town.requester, town.worker, town.rival))
    wanted = f"{requester} (the requester) wants batch done (code-review, a batch of 40 items): "
    claimed = (
        f"{worker} (the worker) claims it with a stake of 150. Its chance of being checked is 100.00 %, "
    )
    looked = "They look at 40 of the 40 items together and accept 0 bad."
    assert told(town, claim) == [
        wanted + "100 units for the work and 39 for checking it lie in escrow.",
        claimed + "by a streak of 0, a priority of 0.00 %.",
        "The worker delivers.",
        "The draw falls on it: the work is checked.",
        f"Round 1: 3 verifiers are drawn, 3 of them must agree. {looked}",
        "1 said fail and 2 said pass: no agreement about 1 of the items, so there is no verdict in this round.",
        f"Round 2: 7 verifiers are drawn, 5 of them must agree. {looked}",
        "7 said pass: the verdict is pass.",
        f"{rival} challenges the pass, risks a bond of 150, and pays 150 ahead for the next panel.",
        f"Round 3: 15 verifiers are drawn, 8 of them must agree. {looked}",
        "15 said fail: the verdict is fail, with 15 items found bad.",
        "The claim is rejected: the work failed.",
        f"The challenger {rival} was right, and has bond and fees back.",
        "Of the seats, 10 voted otherwise than it came out and 15 voted as it came out.",
        "Verifiers lose 1000 of their stakes: 1000 burn.",
        "The worker's stake pays the panels 150, before the rest of it is split.",
        "batch is open again, for others.",
    ]


def test_the_story_says_where_a_slash_went(town: Scene) -> None:
    claim = town.ended(verdict="fail")
    in_order(
        told(town, claim),
        "3 said fail: the verdict is fail.",
        "The claim is rejected: the work failed.",
        "Of the seats, 3 voted as it came out.",
        "3 seats earn fees, 30 in all.",
        "The worker loses 150 of its stake: 39 go to the requester and 111 burn.",
        "t1 is open again, for others.",
    )


def test_the_story_of_a_lost_challenge_says_who_gets_the_bond(town: Scene) -> None:
    claim = town.judged()
    town.challenged(claim, town.requester)
    town.judge(claim, "pass")
    town.window_over(claim)
    in_order(
        told(town, claim),
        f"{name(town.requester)} (the requester) challenges the pass",
        "The claim is accepted: the work stands.",
        "The price is paid: 100 go to the worker.",
        f"The challenger {name(town.requester)} was wrong, and loses the bond.",
        "Of the challenger's bond, 35 burn and 35 go to the worker.",
        "t1 is closed: the work is done.",
    )


def test_the_story_of_a_canary_says_who_was_tested_and_how_it_went(town: Scene) -> None:
    promise = Promise(town, ("t1", town.worker, "fail"))
    claim = town.judged()
    promise.open()
    town.window_over(claim)
    in_order(
        told(town, claim),
        "3 said pass: the verdict is pass.",
        "The operator shows that this was a canary, planted to test the verifiers: the answer that it had committed to "
        "beforehand is fail.",
        "The claim is void, since it was a canary.",
        "150 of the stake are free again.",
        "Of the seats, 3 voted otherwise than the operator knew.",
        "Verifiers lose 600 of their stakes: 600 burn.",
        "t1 is closed: it was the operator's own.",
    )


def test_the_story_of_an_allocation_says_who_was_drawn_and_what_becomes_of_it(town: Scene) -> None:
    allocation = town.allocated(exclusive_ms=9_000)
    first = town.net.people[allocation.shortlist[0].agent]
    until = moment(town.net.get(Task, "t1").exclusive_until_ms)
    claim = town.claim(worker=first, stake_units=200)
    drawn = f"is drawn, by what their records promise: {name(first)}, of 3 who could; until {until} nobody else may."
    won = f"{name(first)} (the worker) claims it with a stake of 200."
    in_order(told(town, "t1"), drawn, won)
    in_order(told(town, claim), won)
    town.allocated("t2", exclusive_ms=60_000, deadline_ms=town.net.now_ms + 40_000)
    town.net.tick(41_000)
    in_order(
        told(town, "t2"),
        "The allocation comes to nothing",
        "The fees of one panel are lost on it: 30 burn.",
        "t2 is closed: its deadline has passed.",
    )


def test_the_story_of_an_equivocation_says_what_it_cost_and_who_showed_it(town: Scene) -> None:
    lied = Lied(town)
    lied.convict(town.rival)
    in_order(
        told(town, lied.claim),
        "The worker delivers.",
        f"{name(town.rival)} proves that {name(town.worker)} lied: it signed two different outputs for one claim.",
        "of its stake and of its other money: 342 burn and 50 go to",
        f"{name(town.worker)} is shut out for ever.",
    )


def test_the_story_of_an_unchecked_claim_says_why_it_was_not_checked() -> None:
    town, claim = unchecked()
    town.window_over(claim)
    town.net.tick(3_000)
    in_order(
        told(town, claim),
        "Its chance of being checked is 44.44 %, by a streak of 4, a priority of 0.00 %.",
        "The draw passes it by: the work is not checked, unless somebody challenges it before 2023-11-14 22:13:",
        "The claim is accepted: the work stands.",
        "The evidence window is over, and the last 30 of the stake are free again.",
    )


def test_the_story_of_a_challenge_says_whether_anybody_had_checked_the_output(town: Scene) -> None:
    spared, claim = unchecked()
    spared.challenged(claim, spared.rival)
    in_order(
        told(spared, claim), f"{name(spared.rival)} challenges an output that nobody checked, risks a bond of"
    )
    claim = town.opened()
    town.judge(claim)
    town.challenged(claim, town.rival)
    in_order(told(town, claim), f"{name(town.rival)} challenges the pass, risks a bond of")


def test_the_story_of_a_voided_claim_says_whose_fault_that_is() -> None:
    late = scene()
    claim = late.submitted()
    late.net.tick(11_000)
    in_order(
        told(late, claim),
        "The claim is void, since the service made no draw in time: that is not the worker's fault.",
        "The operator's bond answers for the missing draw: 250 burn.",
    )
    small = scene(verifiers=3)
    claim = small.opened()
    small.judge(claim, "pass", "fail")
    small.net.draw(claim)
    in_order(
        told(small, claim),
        "2 said fail and 1 said pass: no agreement, so there is no verdict in this round.",
        "The claim is void, since no round reached a verdict.",
        "Of the seats, 3 voted without a verdict to be measured by.",
        "t1 is open again, for others.",
    )


def test_every_case_of_the_golden_logs_has_a_story() -> None:
    """No state, outcome or reason on them is without its words."""
    for release in SEALED:
        for log in manifest_of(HERE / release).logs:
            entries = entries_of(HERE / release / log)
            events = [event for data in entries for event in json.loads(data)["events"]]
            for task in {event["task"] for event in events if event["kind"] == "task.posted"}:
                lines = tell(task, enumerate(entries)).summary
                assert "wants" in lines[0]
                assert not [line for line in lines if "{" in line]
