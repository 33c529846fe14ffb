"""A policy is complete and in range, or refused; what it may not say, and what it had better not (docs/rules.md 2)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.network import Net
from tests.core.terms import policy_of, policy_text
from trust.core.payloads import MAX_JUDGED_ITEMS
from trust.core.policy import DAY_MS, InvalidPolicy, Policy, dangers, parse, warnings
from trust.settings import shipped

DID = Net().operator.did


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"unbonding_ms": 79_000}, "unbonding"),
        ({"challenge_burn_ppm": 299_999}, "lost bond"),
        ({"panels": [3, 3, 7]}, "larger"),
        ({"panels": [7, 3]}, "larger"),
        ({"lease_ms": 700_000}, "lease"),
        ({"lease_ms": 100}, "lease"),
        ({"weight_cap_units": 999}, "weight cap"),
        ({"no_reveal_ppm": 499_999}, "silence"),
        ({"no_reveal_milli": 999}, "silence"),
        ({"canary_ppm": 499_999}, "canary"),
        ({"canary_milli": 999}, "canary"),
        ({"panels": [9, 11, 15], "sample_items": 20}, "105 seats"),
        ({"notice_ms": 4_999}, "notice"),
        ({"exact_ppm": 199_999}, "exact"),
        ({"catch_ppm": 0}, "deter"),
        ({"seeds": [DID] * 10}, "seeds"),
        ({"seeds": [DID]}, "seeds"),
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
        ({"panels": [3]}, "first verdict is final"),
        ({"evidence_hold_ppm": 0}, "late evidence"),
        ({"challenge_ms": 10_999, "notice_ms": 20_000, "unbonding_ms": 10**9}, "shorter than a check"),
        ({"liability_ppm": 0}, "dear work"),
        ({"reporter_max_fees": 0}, "showing evidence"),
        ({"max_stake_ratio_ppm": 0, "catch_ppm": 400_000}, "exact work above a small price"),
        ({"max_stake_ratio_ppm": 0, "catch_ppm": 400_000}, "judged work above a small price"),
        ({"max_stake_ratio_ppm": 200_000}, "small for exact work"),
        ({"liveness_memory_ms": 99_999}, "within ten leases"),
        ({"failure_memory_ms": 86_400_000}, "shut out"),
        ({"fraud_milli": 3_999}, "made good"),
        ({"accepted_milli": 4_001}, "friends"),
        ({"probation_ppm": 0}, "newcomers"),
        ({"probation_stake_ppm": 999_999}, "newcomer"),
        ({"max_shortlist": 1}, "away"),
    ],
)
def test_an_unwise_policy_is_allowed_and_warned_about(values: dict[str, object], word: str) -> None:
    policy = policy_of(**values)
    assert dangers(policy) == []
    assert any(word in warning for warning in warnings(policy))


def test_rare_tasks_are_warned_about_where_records_fade_in_between() -> None:
    usual = warnings(policy_of())
    assert warnings(policy_of(), 14 * DAY_MS) == usual
    [fast] = set(warnings(policy_of(), 15 * DAY_MS)) - set(usual)
    assert "14 days" in fast
    assert any("60 days" in warning for warning in warnings(policy_of(), 61 * DAY_MS))


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
        policy_text(min_liability_units=0),
        policy_text(replacements=3),
        policy_text(min_liabilities=2**63),
        policy_text(exact_kinds=["No"]),
        policy_text(exact_kinds=["x\\n"]),
        policy_text(uris=1),
        policy_text(verdict_milli=-1),
        policy_text(first_come_ppm=1_000_001),
        policy_text(completed_milli=0.5),
        policy_text(jail_memory_ms=-1),
        policy_text(notice_ms=0),
        policy_text(seeds=["bob"]),
        policy_text(seeds=[DID] * 65),
    ],
)
def test_a_policy_with_a_number_missing_unknown_or_out_of_range_is_invalid(text: str) -> None:
    with pytest.raises(InvalidPolicy) as caught:
        parse(text)
    assert caught.value.reasons
    assert all(reason.isascii() and '"' not in reason for reason in caught.value.reasons)


PPM = st.integers(0, 1_000_000)
PENALTIES = st.fixed_dictionaries(
    {
        "wrong_ppm": PPM,
        "no_reveal_ppm": PPM,
        "canary_ppm": PPM,
        "fee_units": st.integers(0, 50),
        "liability_fees": st.integers(0, 50),
        "min_liability_units": st.integers(1, 5_000),
        "verifier_milli": st.integers(0, 5_000),
        "no_reveal_milli": st.integers(0, 5_000),
        "canary_milli": st.integers(0, 9_000),
    }
)


def costs(policy: Policy, outcome: str) -> tuple[int, int]:
    """What a seat that committed loses on exact work, in units and in its record."""
    verifiers, record = policy.verifiers, policy.reputation
    ppm, milli = {
        "wrong": (verifiers.wrong_ppm, record.verifier_milli),
        "silent": (verifiers.no_reveal_ppm, record.no_reveal_milli),
        "canary-wrong": (verifiers.canary_ppm, record.canary_milli),
    }[outcome]
    return policy.liability_units() * ppm // 1_000_000, milli


@given(PENALTIES)
@settings(max_examples=150)
def test_silence_is_never_cheaper_than_being_wrong_under_any_policy_that_may_be_adopted(
    values: dict[str, object],
) -> None:
    policy = policy_of(**values)
    cheap = any(a < b for a, b in zip(costs(policy, "silent"), costs(policy, "wrong"), strict=True))
    lenient = any(a < b for a, b in zip(costs(policy, "canary-wrong"), costs(policy, "wrong"), strict=True))
    assert dangers(policy) or not (cheap or lenient)


@pytest.mark.parametrize("name", ["standard", "fast", "sandbox"])
def test_every_shipped_policy_may_be_adopted_and_punishes_in_the_right_order(name: str) -> None:
    policy = parse((shipped("policies") / f"{name}.toml").read_text(encoding="utf-8"))
    assert dangers(policy) == []
    assert costs(policy, "wrong") <= costs(policy, "silent")
    assert costs(policy, "wrong") <= costs(policy, "canary-wrong")
    assert policy.verifiers.no_reveal_jail_ms == 0 or name == "sandbox", "the deaf empty the pool by it"
    assert policy.verifiers.canary_ppm == 1_000_000


@pytest.mark.parametrize(
    ("name", "restart_ms"), [("standard", 240_000), ("fast", 240_000), ("sandbox", 8_000)]
)
def test_who_must_open_or_reveal_has_time_for_a_restart(name: str, restart_ms: int) -> None:
    """Of its machine where money is real, of its program in the sandbox."""
    windows = parse((shipped("policies") / f"{name}.toml").read_text(encoding="utf-8")).windows
    assert min(windows.open_ms, windows.reveal_ms) >= restart_ms


def test_the_tests_policy_is_neither_dangerous_nor_far_from_the_standard() -> None:
    assert dangers(policy_of()) == []
    assert Net().policy.fees_units == 39
    assert Net().policy.liability_units() == 200


def test_a_seat_answers_for_twenty_fees_the_least_there_is_or_a_share_of_the_price() -> None:
    assert policy_of(fee_units=1).liability_units() == 100
    assert policy_of(fee_units=10).liability_units(1_000) == 200
    assert policy_of(fee_units=10).liability_units(100_000) == 20_000
    assert policy_of(fee_units=10, min_liabilities=10).verifier_stake_units == 2_000


def test_a_pool_too_small_for_a_panel_or_an_appeal_is_told_in_words() -> None:
    policy = policy_of(panels=[3, 7])
    assert "nobody can claim" in policy.shortage(2)
    assert "a panel and an appeal take 10" in policy.shortage(3)
    assert policy.shortage(10) == ""


def test_the_deterrence_falls_as_stakes_grow() -> None:
    """At q = 0.9 and without a margin: 56 % at a stake of the price, 37 % at twice, 22 % at four times."""
    policy = policy_of(margin_ppm=0)
    rates = [policy.deterrence_ppm(1_000, stake, 1_000_000) for stake in (1_000, 2_000, 4_000)]
    assert rates == [555_556, 370_371, 222_223]


def test_a_vote_holds_what_a_seat_may_have_to_judge() -> None:
    assert MAX_JUDGED_ITEMS == 128
    assert policy_of().most_items == 2 * 57 + 4 + 2
    assert policy_of(panels=[1], sample_items=128).most_items == 128
    assert policy_of(panels=[3], sample_items=128).most_items == 43 + 13
