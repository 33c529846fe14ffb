"""Policies that are traps: `trust policy check` says each in words, and no log adopts it."""

from __future__ import annotations

import pytest

from tests.core.flows import scene
from tests.core.network import DAY_MS
from tests.core.terms import policy_of, policy_text
from trust.core import payloads as p
from trust.core.events import Observed
from trust.core.policy import dangers, warnings


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"reveal_ms": 1}, "windows.reveal_ms is under 100 ms"),
        ({"commit_ms": 1}, "windows.commit_ms is under 100 ms"),
        ({"open_ms": 1}, "windows.open_ms is under 100 ms"),
        ({"challenge_ms": 1}, "windows.challenge_ms is under 100 ms"),
        ({"exact_ppm": 0, "judged_ppm": 0}, "slashes nothing"),
        ({"judged_ppm": 0}, "slashes nothing"),
        ({"wrong_ppm": 0, "no_commit_ppm": 0}, "had for the asking"),
        ({"no_commit_ppm": 1_000_000}, "better to guess in time"),
        ({"significance_ppm": 0}, "a batch never fails"),
        ({"max_tolerated_ppm": 1_000_000}, "more bad items than good"),
    ],
)
def test_a_policy_with_windows_of_a_millisecond_no_slash_or_tolerance_of_everything(
    values: dict[str, object], words: str
) -> None:
    """Under rules 1 there was no warning, and one task burned 100,000 of 150,000 of the verifiers' money."""
    assert [reason for reason in dangers(policy_of(**values)) if words in reason]
    town = scene()
    toml, at_ms = policy_text(**values), town.net.now_ms + DAY_MS
    town.net.refuses("dangerous-policy", p.PolicyAdopt, town.net.operator, toml=toml, effective_ms=at_ms)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "no beacons"),
        ({"grace_ms": 0}, "by not listening"),
        ({"reveal_ms": 1_000}, "away for a moment"),
        ({"operator_bond_min_units": 0}, "nothing at stake"),
    ],
)
def test_what_the_operator_could_do_under_a_policy_is_said(values: dict[str, object], words: str) -> None:
    assert [reason for reason in warnings(policy_of(**values)) if words in reason]


def test_a_task_that_tolerates_nearly_everything() -> None:
    """Under rules 1 a batch that could not fail earned the praise of a full check."""
    town = scene()
    fields = town.terms(items=p.Items(count=200, tolerated_bad_ppm=100_001))
    town.net.refuses("tolerates-too-much", p.TaskPost, town.requester, **fields)


def test_praise_for_a_batch_is_what_its_sample_can_detect() -> None:
    praised = []
    for sample in (2, 57):
        town = scene(policy_of(sample_items=sample))
        town.ended(**town.batch_task(200))
        entry = town.net.entries[-1]
        seen = [event for event in entry.events if isinstance(event, Observed) and event.role == "worker"]
        praised.append(seen[0].good_milli)
    assert 0 < praised[0] < praised[1] // 4
