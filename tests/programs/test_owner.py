"""What an owner allows, from its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.factories import did
from trust.errors import Unusable
from trust.programs.owner import read_rules

HOUR_MS = 3_600_000


def task(**fields: Any) -> dict[str, Any]:
    return {"task_kind": "k", "price_units": 100, "stake_units": 200, "requester": did(1), **fields}


def rules_of(folder: Path, text: str) -> Any:
    path = folder / "rules.toml"
    path.write_text(text)
    return read_rules(path)


@pytest.mark.parametrize(
    ("text", "fields", "why"),
    [
        ('kinds = ["other"]', {}, "k is none of the kinds"),
        ("least_price_units = 101", {}, "its price of 100 is below 101"),
        ("most_stake_units = 199", {}, "its stake of 200 is over 199"),
        (f'requesters = ["{did(2)}"]', {}, "its requester is none of those allowed"),
        ('hours = "08-20"', {}, "it is not within the hours 08-20"),
        ('hours = "22-06"', {}, ""),
        ('kinds = ["k"]\nleast_price_units = 100\nmost_stake_units = 200', {}, ""),
        ("", {}, ""),
    ],
)
def test_a_task_is_gone_for_only_within_the_owners_rules(
    tmp_path: Path, text: str, fields: dict[str, Any], why: str
) -> None:
    assert rules_of(tmp_path, text).hindrance(task(**fields), 2 * HOUR_MS) == why


@pytest.mark.parametrize("hour", range(24))
def test_hours_over_midnight_are_those_after_the_first_or_before_the_second(
    tmp_path: Path, hour: int
) -> None:
    day, night = (rules_of(tmp_path, f'hours = "{each}"') for each in ("06-22", "22-06"))
    inside = [not rules.hindrance(task(), hour * HOUR_MS) for rules in (day, night)]
    assert inside == [6 <= hour < 22, not 6 <= hour < 22]


@pytest.mark.parametrize(
    "text",
    [
        "kinds = 3",
        'hours = "8-20"',
        'hours = "20"',
        "at_once = 0",
        "most_stake_units = -1",
        "surplus = 1",
        "= x",
        'kinds=["A"]',
    ],
)
def test_rules_that_make_no_sense_are_refused_with_their_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(Unusable, match=r"rules\.toml"):
        rules_of(tmp_path, text)


def test_without_a_file_everything_is_allowed() -> None:
    assert not read_rules(None).hindrance(task(), 0)
