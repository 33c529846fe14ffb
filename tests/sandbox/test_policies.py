"""The profiles that ship: none is dangerous, and their README tells the very numbers that are in them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.factories import did
from trust.core.policy import Beacons, dangers, parse, warnings
from trust.core.reputation import delta_ppm

POLICIES = Path(__file__).parents[2] / "policies"
PROFILES = ("standard", "fast", "sandbox")
ROW = re.compile(r"^\| `([a-z_]+)` \| (.*?) \| (.*?) \| (.*?) \| (.+) \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_that_ships_may_be_adopted(profile: str) -> None:
    assert dangers(parse((POLICIES / f"{profile}.toml").read_text("utf-8"))) == []


@pytest.mark.parametrize("profile", ["standard", "fast"])
def test_a_profile_for_real_money_lacks_nothing_but_the_keys_of_its_beacons(profile: str) -> None:
    terms = parse((POLICIES / f"{profile}.toml").read_text("utf-8"))
    assert [warning.partition(":")[0] for warning in warnings(terms)] == ["no beacons"]
    named = replace(terms, beacons=Beacons(keys=(did(1),)))
    assert warnings(named) == []
    assert dangers(named) == []


def test_the_readme_explains_each_number_of_each_profile() -> None:
    readme = (POLICIES / "README.md").read_text("utf-8")
    sections = dict(re.findall(r"^## \[([a-z]+)\]\n(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL))
    for column, profile in enumerate(PROFILES):
        text = (POLICIES / f"{profile}.toml").read_text("utf-8")
        tables = {name: table for name, table in tomllib.loads(text).items() if name != "name"}
        assert sections.keys() == tables.keys()
        for section, table in tables.items():
            told = {row[0]: row[1 + column] for row in ROW.findall(sections[section])}
            assert told.keys() == table.keys()
            for name, value in table.items():
                assert re.match(r"`([^`]*)`", told[name])[1] == _written(text, name), (profile, name, value)  # type: ignore[index]


@pytest.mark.parametrize("profile", ["standard", "fast"])
def test_where_strangers_meet_only_a_draw_makes_a_record(profile: str) -> None:
    """A task that was won or given weighs at most a fortieth of one drawn for of a shortlist of two among ten."""
    praise = parse((POLICIES / f"{profile}.toml").read_text("utf-8")).reputation
    first_come, assigned = praise.first_come_ppm, praise.assigned_ppm
    drawn = delta_ppm("allocated", shortlist=2, eligible=10, owners=10, first_come_ppm=first_come)
    assert drawn >= 40 * delta_ppm("first-come", first_come_ppm=first_come) > 0
    assert drawn >= 40 * delta_ppm("assigned", assigned_ppm=assigned) > 0


def _written(toml: str, name: str) -> str:
    found = re.search(rf"^{name} = (.+)$", toml, re.MULTILINE)
    assert found
    return found[1]
