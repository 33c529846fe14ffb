"""What the demo prints fits a screen; details come where they are asked for."""

from __future__ import annotations

from typing import Any

import pytest

from trust.sandbox.narration import Narrator

DID = f"did:key:z6Mk{'a' * 44}"
FACTS: dict[str, Any] = {
    "priorities": [
        {
            "rank": rank,
            "handle": handle,
            "priority_ppm": 1,
            "expected_ppm": 2,
            "liveness_ppm": 3,
            "stake_units": 4,
            "rank_ppm": 5,
        }
        for rank, handle in enumerate(("cleo", "dan", "lars"), 1)
    ],
    "slashes": [
        {
            "index": 7,
            "from": ["lars"],
            "why": "slash.failed-check",
            "postings": [[f"verifier/{DID}/stake", -5]],
        }
    ],
    "ledgers": {"lars": {"balances": {"free_units": 1}, "postings": [{"index": 1, "change_units": 2}]}},
    "timeline": [{"index": 9, "words": ["It is found out."]}],
    "liar": {"claim": "clm_" + "a" * 26},
    "held": {"the liar was slashed": True, "the audit found no difference": True},
    "elapsed_ms": 12_345,
    "service_restarts": 0,
    "size": 265,
    "data": "/somewhere/trust-demo",
    "vkey": "demo.localhost/main+66e51d75+" + "A" * 44,
}
MOST_STEPS = 26
"""How many lines the beginning and the steps of the story take at most."""


def _printed(capsys: pytest.CaptureFixture[str], *, verbose: bool = False, **facts: Any) -> str:
    Narrator(as_json=False, verbose=verbose).conclude({**FACTS, **facts})
    return capsys.readouterr().out


def test_the_end_of_the_story_fits_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    lines = _printed(capsys).splitlines()
    assert len(lines) + MOST_STEPS <= 40
    assert all(len(line) <= 100 for line in lines)
    assert "2 of 2 things that the demo claims were looked at again and held." in lines
    assert any("@cleo first now, @lars last" in line for line in lines)


def test_what_did_not_hold_is_always_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = _printed(capsys, held={"the liar was slashed": False, "the rest": True})
    assert "FALSE  the liar was slashed" in told
    assert "1 of 2 things" in told


def test_details_are_told_on_request_and_a_did_stays_one(capsys: pytest.CaptureFixture[str]) -> None:
    told = _printed(capsys, verbose=True)
    assert "It is found out." in told
    assert "The ledger of @lars" in told
    assert "verifier/did:key:z6Mk" in told
