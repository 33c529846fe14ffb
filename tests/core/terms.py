"""The policy of the rulebook's tests: the standard one with windows of seconds, and kinds of work of both sorts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path

from trust.core.policy import Policy
from trust.core.policy import parse as parse_policy

EXACT, JUDGED = "code-review", "essay"
TERMS: dict[str, object] = {
    "pow_bits": 4,
    "name_bond_units": 0,
    "min_stake_units": 100,
    "max_stake_ratio_ppm": 5_000_000,
    "lease_ms": 10_000,
    "min_lease_ms": 500,
    "max_lease_ms": 600_000,
    "renewals": 2,
    "draw_ms": 10_000,
    "open_ms": 5_000,
    "commit_ms": 1_500,
    "reveal_ms": 1_500,
    "challenge_ms": 1_000,
    "evidence_ms": 2_000,
    "unbonding_ms": 120_000,
    "payout_ms": 60_000,
    "notice_ms": 5_000,
    "grace_ms": 0,
    "min_exclusive_ms": 500,
    "max_exclusive_ms": 60_000,
    "drawn_in_ms": 10_000,
    "panels": [3, 7, 15],
    "exact_kinds": [EXACT],
    "sample_items": 57,
    "fee_units": 10,
    "liability_fees": 20,
    "min_liability_units": 100,
    "min_liabilities": 5,
    "min_age_ms": 0,
    "epoch_ms": 500,
    "score_epoch_ms": 5_000,
    "no_reveal_jail_ms": 10_000,
    "round_reserve_ppm": 300_000,
    "operator_bond_min_units": 1_000,
    "liveness_jail_ms": 5_000,
}


_parsed = lru_cache(maxsize=64)(parse_policy)


def policy_of(**values: object) -> Policy:
    """The tests' policy, with some values replaced."""
    return _parsed(policy_text(**values))


def policy_text(**values: object) -> str:
    """The standard policy's TOML with the tests' numbers, some of them replaced; no key stands in two sections."""
    return _replaced(_text(), values)


@cache
def _text() -> str:
    text = (Path(__file__).parents[2] / "policies" / "standard.toml").read_text(encoding="utf-8")
    return _replaced(text, TERMS)


def _replaced(text: str, values: Mapping[str, object]) -> str:
    for key, value in values.items():
        text, found = re.subn(rf"^{key} = .*$", f"{key} = {value}", text, flags=re.MULTILINE)
        assert found == 1, key
    return text
