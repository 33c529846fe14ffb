"""The table of docs/threats.md is as good as the tests it names: each of them is there."""

from __future__ import annotations

import re

import pytest

from tests.checks import ROOT
from tests.journeys.lies import LIES

PARTIES = (
    "Relay", "Coordinator", "Worker", "Verifier", "Majority of the verifiers", "Operator", "Thief of an agent's key",
    "Thief of a coordinator's key", "Thief of the operator's key", "Thief of the log's key", "Thief of the draw key",
    "Thief of a witness's key",
)  # fmt: skip


def _rows() -> list[list[str]]:
    text = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
    section = text.partition("## 2. Who can do what\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def _tests() -> set[str]:
    sources = (ROOT / "tests").rglob("test_*.py")
    found = [re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE) for path in sources]
    return {name for names in found for name in names}


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row[0].strip("* ").split(" (")[0] or row[1][:30])
def test_every_line_names_tests_that_there_are(row: list[str]) -> None:
    _, can, cannot, convicts, shown = row
    assert min(map(len, (can, cannot, convicts))) > 0
    named = re.findall(r"`([^`]+)`", shown)
    assert named
    assert set(named) - _tests() - set(LIES) == set()


def test_every_party_and_the_thief_of_every_key_has_a_line() -> None:
    named = [re.sub(r"\*\*(.*?)\*\*.*", r"\1", row[0]) for row in _rows()]
    assert [party for party in PARTIES if party not in named] == []
