"""The profiles that ship: none is dangerous, and their README tells the very numbers that are in them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from trust.core.policy import dangers, parse, warnings

POLICIES = Path(__file__).parents[2] / "policies"
PROFILES = ("standard", "fast", "sandbox")
ROW = re.compile(r"^\| `([a-z_]+)` \| (.*?) \| (.*?) \| (.*?) \| (.+) \| (.+) \|$", re.MULTILINE)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_that_ships_may_be_adopted(profile: str) -> None:
    assert dangers(parse((POLICIES / f"{profile}.toml").read_text("utf-8"))) == []


@pytest.mark.parametrize("profile", ["standard", "fast"])
def test_a_profile_for_real_money_is_not_even_unwise(profile: str) -> None:
    assert warnings(parse((POLICIES / f"{profile}.toml").read_text("utf-8"))) == []


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


def _written(toml: str, name: str) -> str:
    found = re.search(rf"^{name} = (.+)$", toml, re.MULTILINE)
    assert found
    return found[1]
