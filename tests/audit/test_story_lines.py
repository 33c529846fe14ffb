"""A case in words: everything that happened to it, nothing that happened to others, and why."""

from __future__ import annotations

import json
import re

import pytest

from tests.audit.networks import World
from trust.core.rate import RateInputs, in_words, percent
from trust.verify.story import tell


def claims(world: World) -> dict[str, str]:
    """The claim on each task."""
    events = [event for data in world.entries for event in json.loads(data)["events"]]
    return {event["task"]: event["claim"] for event in events if event["kind"] == "claim.opened"}


def told(world: World, case: str) -> str:
    """The whole story, a line a sentence."""
    return "\n".join(line.words for line in tell(case, enumerate(world.entries)).lines)


@pytest.mark.parametrize("by_claim", [True, False])
def test_the_story_of_a_failed_check_has_every_step_in_order(world: World, by_claim: bool) -> None:
    case = claims(world)["task-mallory"] if by_claim else "task-mallory"
    story = told(world, case)
    steps = [
        "posts task-mallory (code-review): price 100, fees 60",
        "wins task-mallory (clm_",
        "checked with probability 100.00 %, which follows from a streak of 0",
        "The output sha256:",
        "The coin: the draw gives",
        "Money (check.fees)",
        "Round 1 draws",
        "3 must agree.",
        "The worker opens the output",
        "commits to a verdict",
        "reveals: fail",
        "The verdict is fail, open to challenge",
        "is rejected",
        "Money (slash.failed-check)",
        "burn +140",
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
    words = [line.words for line in tell("task-bob", enumerate(entries)).lines]
    assert any(line.startswith("The coin:") and "THIS DOES NOT FOLLOW" in line for line in words)


def test_a_draw_without_a_proof_that_holds_is_called_out(world: World) -> None:
    entries = [re.sub(rb'"pi":"[0-9a-f]{8}', b'"pi":"00000000', data) for data in world.entries]
    words = [line.words for line in tell("task-bob", enumerate(entries)).lines]
    assert any(line.startswith("The coin:") and "no proof of the draw holds" in line for line in words)


def test_what_a_check_rate_follows_from_is_told() -> None:
    assert in_words(RateInputs(streak=3)) == "a streak of 3, a priority of 0.00 %"
    told = in_words(RateInputs(checks_since_key_change=2, watched=True, appealable=False))
    for part in ("a key that changed 2 checks ago", "caught or in jail lately", "too small for an appeal"):
        assert part in told


def test_percent_rounds_down() -> None:
    assert [percent(ppm) for ppm in (0, 99, 185_199, 1_000_000)] == [
        "0.00 %",
        "0.00 %",
        "18.51 %",
        "100.00 %",
    ]
