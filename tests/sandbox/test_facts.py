"""The demo's own judgement: each of its claims is FALSE as soon as the facts do not bear it out."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from trust.sandbox import cast
from trust.sandbox.facts import final_states, held, slashes

Facts = dict[str, Any]

GOOD: Facts = {
    "race": {
        "winners": [{"status": 201, "handle": "ada"}],
        "refusals": [{"status": 409, "code": "already-claimed", "noted": True}],
    },
    "scope": {"by": "ada"},
    "batch": {"verdict": "pass"},
    "drawn": {"shortlist": ["eve", "mute", "lars"], "worker": "eve"},
    "liar": {"state": "rejected", "lost_units": 200},
    "silent": {"lost_units": 100, "jailed_until_ms": 1},
    "slashes": [{"sum": 0}],
    "priorities": [{"handle": "ada", "rank_ppm": 2}, {"handle": cast.LIAR, "rank_ppm": 0}],
    "tasks": {job.task: {"closed": "accepted", "claims": ["accepted"]} for job in cast.JOBS},
    "audit": {"exit": 0, "differences": 0},
    "relay": {"exit": 0, "decisions": 40, "findings": []},
}


def test_facts_as_they_should_be_hold() -> None:
    assert all(held(GOOD).values())


def _set(*path: Any) -> Callable[[Facts], None]:
    *way, last, value = path

    def change(facts: Facts) -> None:
        for step in way:
            facts = facts[step]
        facts[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (_set("race", "winners", [GOOD["race"]["winners"][0]] * 2), "one claim won, one got 409"),
        (_set("race", "refusals", []), "one claim won, one got 409"),
        (_set("race", "refusals", 0, "noted", False), "one claim won, one got 409"),
        (_set("scope", "by", "bob"), "winner and requester agreed on the scope"),
        (_set("drawn", "worker", "ada"), "the task that was drawn for went to its shortlist"),
        (_set("drawn", "worker", None), "the task that was drawn for went to its shortlist"),
        (_set("liar", "state", "accepted"), "the liar was rejected and slashed"),
        (_set("liar", "lost_units", 0), "the liar was rejected and slashed"),
        (_set("silent", "lost_units", 0), "the silent verifier lost stake and went to jail"),
        (_set("silent", "jailed_until_ms", None), "the silent verifier lost stake and went to jail"),
        (_set("slashes", []), "every slash's postings sum to zero"),
        (_set("slashes", 0, "sum", 1), "every slash's postings sum to zero"),
        (_set("priorities", 1, "rank_ppm", 2), "the liar ranks below every honest worker"),
        (_set("priorities", []), "the liar ranks below every honest worker"),
        (_set("tasks", cast.RACE.task, "closed", "deadline"), "every task was closed by an accepted output"),
        (_set("audit", "differences", 1), "the audit found no difference"),
        (_set("audit", "exit", 3), "the audit found no difference"),
        (_set("relay", "exit", 1), "the log bears out what the relay decided"),
        (_set("relay", "decisions", 0), "the log bears out what the relay decided"),
    ],
)
def test_one_fact_that_is_wrong_makes_exactly_its_claim_false(
    change: Callable[[Facts], None], claim: str
) -> None:
    facts = copy.deepcopy(GOOD)
    change(facts)
    assert [name for name, held_ in held(facts).items() if not held_] == [claim]


def test_final_states_leave_chance_out() -> None:
    other = copy.deepcopy(GOOD)
    other["silent"]["lost_units"] = 300
    other["tasks"]["review-extra-0"] = {"closed": "accepted", "claims": ["accepted"]}
    assert final_states(other) == final_states(GOOD)


def test_slashes_are_the_postings_that_took_money_away() -> None:
    moved: Facts = {"kind": "money.moved", "index": 7}
    events: list[Facts] = [
        moved | {"why": "stake.lock", "postings": [["a", -1], ["b", 1]]},
        moved | {"why": "seat.slash", "postings": [["verifier/s/stake", -3], ["burn", 3]]},
        {"kind": "claim.ended", "index": 8, "claim": "clm_x"},
    ]
    found = slashes(events, {"did:1": "ada"}, {"verifier/s/stake": "did:1"})
    postings = [["verifier/s/stake", -3], ["burn", 3]]
    assert found == [{"index": 7, "why": "seat.slash", "from": ["ada"], "postings": postings, "sum": 0}]
