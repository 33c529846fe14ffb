"""What people read: an outline with times and shares in words, progress that floods no log file."""

from __future__ import annotations

import pytest

from trust.cli.terminal import outline, progress


def test_facts_are_an_outline_with_times_and_shares_in_words() -> None:
    facts = {
        "claim": "clm_a",
        "until_ms": 1_800_000_000_000,
        "lease_ms": 10_000,
        "rate_ppm": 52_500,
        "opened": True,
        "verdict": None,
        "seats": [{"seat": "seat_a", "bad": [3, 7]}, {"seat": "seat_b", "bad": []}],
    }
    assert outline(facts) == [
        "claim:    clm_a",
        "until_ms: 1800000000000 (2027-01-15 08:00:00 UTC)",
        "lease_ms: 10000",
        "rate_ppm: 52500 (5.25 %)",
        "opened:   yes",
        "verdict:  -",
        "seats:",
        "  - seat: seat_a",
        "    bad:  3, 7",
        "  - seat: seat_b",
        "    bad:  none",
    ]


@pytest.mark.parametrize("value", [[], {}, "text", 3, [["a"], {}], [None], {"a": {"b": [{"c": {}}]}}])
def test_any_json_can_be_outlined(value: object) -> None:
    assert all(isinstance(line, str) for line in outline(value))


def test_progress_off_a_terminal_is_a_few_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("auditing") as report:
        for done in range(10_001):
            report(done, 10_000)
        report(0, 0)
    told = capsys.readouterr().err.splitlines()
    assert 10 <= len(told) <= 25
    assert told[-1] == "auditing: 10000 of 10000"
