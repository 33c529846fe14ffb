"""A case in words: everything that happened to it, nothing that happened to others, and why."""

from __future__ import annotations

import json
import re

import pytest

from tests.audit.networks import World
from trust.audit.explaining import explain
from trust.core.rate import Rate, RateInputs, check_rate, percent, why_this_rate


def claims(world: World) -> dict[str, str]:
    """The claim on each task."""
    events = [event for data in world.entries for event in json.loads(data)["events"]]
    return {event["task"]: event["claim"] for event in events if event["kind"] == "claim.opened"}


def told(world: World, case: str) -> str:
    """The whole story, a line a sentence."""
    return "\n".join(line.words for line in explain(case, enumerate(world.entries)))


@pytest.mark.parametrize("by_claim", [True, False])
def test_the_story_of_a_failed_check_has_every_step_in_order(world: World, by_claim: bool) -> None:
    case = claims(world)["task-mallory"] if by_claim else "task-mallory"
    story = told(world, case)
    steps = [
        "posts task-mallory (code-review): price 100, fees 60",
        "wins task-mallory (clm_",
        "checked with probability 100.00 %, because its streak is 0",
        "The output sha256:",
        "Money (check.fees)",
        "The coin: the draw gives",
        "Round 1 draws",
        "3 must agree; each locks 200 and earns 10",
        "The worker opens the output",
        "commits to a verdict",
        "reveals: fail",
        "The verdict is fail, open to challenge",
        "is rejected",
        "Money (slash.failed-check)",
        "burn +100",
        "24.000 failure (fraud)",
        "task-mallory is open again.",
    ]
    places = [story.index(step) for step in steps]
    assert places == sorted(places)
    assert "DOES NOT FOLLOW" not in story


def test_a_story_tells_nothing_of_other_cases(world: World) -> None:
    for case in ("task-mallory", claims(world)["task-mallory"]):
        story = told(world, case)
        assert "task-bob" not in story
        assert "late" not in story
    assert "DOES" not in told(world, "no-such-task")
    assert told(world, "no-such-task") == ""


def test_the_story_of_a_late_worker_ends_in_its_record(world: World) -> None:
    story = told(world, "late")
    assert "has 1 liveness faults" in story
    assert "Money (slash.liveness)" in story
    assert "3.000 bad (expired)" in story


def test_a_coin_that_does_not_follow_from_the_draw_is_called_out(world: World) -> None:
    entries = [data.replace(b'"checked":true', b'"checked":false') for data in world.entries]
    words = [line.words for line in explain("task-bob", enumerate(entries))]
    assert any(line.startswith("The coin:") and "THIS DOES NOT FOLLOW" in line for line in words)


def test_a_draw_without_a_proof_that_holds_is_called_out(world: World) -> None:
    entries = [re.sub(rb'"pi":"[0-9a-f]{8}', b'"pi":"00000000', data) for data in world.entries]
    words = [line.words for line in explain("task-bob", enumerate(entries))]
    assert any(line.startswith("The coin:") and "no proof of the draw holds" in line for line in words)


def inputs(**others: int | bool | None) -> RateInputs:
    """A trusted worker's."""
    standard: dict[str, int | bool | None] = {
        "streak": 40,
        "jailed_recently": False,
        "checks_since_key_change": None,
        "price_units": 100,
        "mean_price_units": 90,
        "stake_units": 200,
        "work_saved_units": 50,
        "slash_ppm": 1_000_000,
        "priority_ppm": 600_000,
        "catch_ppm": 900_000,
        "on_probation": False,
        "floor_ppm": 50_000,
        "trusted_streak": 10,
        "price_jump": 3,
        "key_change_checks": 10,
        "reputation_scale_ppm": 100_000,
        "reputation_base_ppm": 250_000,
        "reputation_slope_ppm": 1_350_000,
        "reputation_floor_ppm": 20_000,
    }
    return RateInputs(**(standard | others))  # type: ignore[arg-type]


def test_the_rate_of_a_trusted_worker_is_the_largest_of_its_terms() -> None:
    words = why_this_rate(check_rate(inputs()), inputs())
    assert words.startswith("It is checked with probability 18.51 %, the largest of its terms.")
    assert "1/streak 2.50 %" in words
    assert "reputation 7.90 % at a priority of 60.00 %" in words


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"streak": 3}, "its streak is 3, below 10"),
        ({"jailed_recently": True}, "it was in jail lately"),
        ({"price_units": 271}, "the price 271 is over 3 times its mean 90"),
        ({"checks_since_key_change": 2}, "its key changed 2 checks ago"),
    ],
)
def test_whoever_is_checked_in_any_case_is_told_why(changed: dict[str, int], reason: str) -> None:
    assert f"100.00 %, because {reason}." in why_this_rate(check_rate(inputs(**changed)), inputs(**changed))


def test_a_rate_that_does_not_follow_from_its_inputs_is_called_out() -> None:
    words = why_this_rate(Rate(50_000, 50_000, 25_000, 79_000, 1), inputs())
    assert words.endswith("THIS DOES NOT FOLLOW FROM ITS INPUTS.")


def test_percent_rounds_down() -> None:
    assert [percent(ppm) for ppm in (0, 99, 185_199, 1_000_000)] == [
        "0.00 %",
        "0.00 %",
        "18.51 %",
        "100.00 %",
    ]
