"""The profiles that ship: none is dangerous, and their README tells the very numbers that are in them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.factories import did
from trust.core.policy import Beacons, dangers, parse, warnings

POLICIES = Path(__file__).parents[2] / "policies"
PROFILES = ("standard", "fast", "sandbox")
ROW = re.compile(r"^\| `([a-z_]+)` \| (.*?) \| (.*?) \| (.*?) \| (.+) \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize("profile", [*PROFILES, "drawn"])
def test_a_profile_that_ships_may_be_adopted(profile: str) -> None:
    assert dangers(parse((POLICIES / f"{profile}.toml").read_text("utf-8"))) == []


@pytest.mark.parametrize("profile", ["standard", "fast", "drawn"])
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


def test_the_drawn_profile_is_the_standard_one_but_for_the_numbers_that_its_readme_names() -> None:
    standard, drawn = (
        tomllib.loads((POLICIES / f"{name}.toml").read_text("utf-8")) for name in ("standard", "drawn")
    )
    changed = {
        name: value
        for section, table in drawn.items()
        if section != "name"
        for name, value in table.items()
        if standard[section][name] != value
    }
    assert changed == {
        "first_come_ppm": 20_000,
        "assigned_ppm": 20_000,
        "probation_ppm": 40_000,
        "probation_milli": 20_000,
    }
    readme = (POLICIES / "README.md").read_text("utf-8")
    told = readme[readme.index("`drawn.toml` has") :].split("\n\n")[0]
    assert all(f"`{name}`" in told for name in changed)
    assert {f"`{value:_}`" for value in changed.values()} == set(re.findall(r"`[0-9_]+`", told))


def _written(toml: str, name: str) -> str:
    found = re.search(rf"^{name} = (.+)$", toml, re.MULTILINE)
    assert found
    return found[1]
