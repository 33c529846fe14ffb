"""A policy is complete and in range, or refused; what it may not say, and what it had better not (rules.md 2)."""

from __future__ import annotations

import pytest

from tests.core.network import Net, policy_of, policy_text
from trust.core.payloads import MAX_JUDGED_ITEMS
from trust.core.policy import InvalidPolicy, dangers, parse, warnings


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"unbonding_ms": 68_000}, "unbonding"),
        ({"min_burn_ppm": 299_999}, "30 %"),
        ({"requester_ppm": 500_001, "reporter_ppm": 0}, "half"),
        ({"reporter_ppm": 200_001}, "exceed"),
        ({"panels": [3, 3, 7]}, "larger"),
        ({"panels": [7, 3]}, "larger"),
        ({"lease_ms": 700_000}, "lease"),
        ({"lease_ms": 100}, "lease"),
        ({"weight_cap_units": 199}, "weight cap"),
        ({"no_reveal_ppm": 499_999}, "silence"),
        ({"notice_ms": 4_999}, "notice"),
        ({"exact_ppm": 199_999}, "exact"),
        ({"catch_ppm": 0}, "deter"),
        ({"sample_items": 128}, "128"),
        ({"min_exclusive_ms": 60_001}, "exclusive"),
        ({"probation_ppm": 500_001}, "probation"),
    ],
)
def test_a_dangerous_policy_is_named_with_its_reason(values: dict[str, object], word: str) -> None:
    [reason] = dangers(policy_of(**values))
    assert word in reason


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"min_stake_units": 0}, "no stake"),
        ({"floor_ppm": 9_999}, "traitor"),
        ({"panels": [1, 3]}, "colluder"),
        ({"fee_units": 0}, "for nothing"),
        ({"operator_bond_min_units": 0}, "operator"),
        ({"probation_ppm": 0}, "newcomers"),
        ({"probation_stake_ppm": 999_999}, "newcomer"),
        ({"max_shortlist": 1}, "away"),
    ],
)
def test_an_unwise_policy_is_allowed_and_warned_about(values: dict[str, object], word: str) -> None:
    policy = policy_of(**values)
    assert dangers(policy) == []
    assert any(word in warning for warning in warnings(policy))


@pytest.mark.parametrize(
    "text",
    [
        policy_text().replace("fee_units", "fees_units"),
        policy_text() + "\n[extra]\nx = 1\n",
        policy_text(panels=[]),
        policy_text(panels=[0]),
        policy_text(probation_ppm=1_000_001),
        policy_text(max_shortlist=0),
        policy_text(max_shortlist=129),
        policy_text(panels=[16]),
        policy_text(panels=[1, 2, 3, 4]),
        policy_text(floor_ppm=1_000_001),
        policy_text(commit_ms=0),
        policy_text(min_bond_units=0),
        policy_text(replacements=3),
        policy_text(price_jump=2**63),
        policy_text(exact_kinds=["No"]),
        policy_text(exact_kinds=["x\\n"]),
        policy_text(uris=1),
    ],
)
def test_a_policy_with_a_number_missing_unknown_or_out_of_range_is_invalid(text: str) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        parse(text)
    assert caught.value.reasons
    assert all(reason.isascii() and '"' not in reason for reason in caught.value.reasons)


def test_the_tests_policy_is_neither_dangerous_nor_far_from_the_standard() -> None:
    assert dangers(policy_of()) == []
    assert Net().policy.fees_units == 39
    assert Net().policy.bond_units == 200


def test_a_bond_is_twenty_fees_or_the_least_there_is() -> None:
    assert policy_of(fee_units=1).bond_units == 100
    assert policy_of(fee_units=10).bond_units == 200


def test_a_vote_holds_what_a_seat_may_have_to_judge() -> None:
    assert MAX_JUDGED_ITEMS == 128
    assert policy_of().most_items == 2 * 57 + 4 + 2
    assert policy_of(panels=[1], sample_items=128).most_items == 128
    assert policy_of(panels=[3], sample_items=128).most_items == 43 + 13
