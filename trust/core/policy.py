"""A policy file as typed values: every economic number of the rules, from one TOML file (rules.md 2 to 5).

A task pins the policy that is in force when it is posted. `parse` refuses what is malformed or out of range,
`dangers` lists why a well-formed policy may not be adopted, `warnings` what is merely unwise. Units last: `_units`
money, `_ms` time, `_ppm` shares.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from trust.core.payloads import MAX_JUDGED_ITEMS

MAX_INT = 2**53 - 1
DAY_MS = 86_400_000
Ppm = Annotated[int, Meta(ge=0, le=1_000_000)]
Units = Annotated[int, Meta(ge=0, le=10**12)]
Window = Annotated[int, Meta(ge=1, le=366 * DAY_MS)]
Span = Annotated[int, Meta(ge=0, le=10 * 366 * DAY_MS)]
Milli = Annotated[int, Meta(ge=0, le=1_000_000)]
Small = Annotated[int, Meta(ge=0, le=10_000)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$(?!\n)")]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the policy file; every key must be present, none may be unknown."""


class Registration(Section, frozen=True):
    pow_bits: Annotated[int, Meta(ge=0, le=40)]


class Claims(Section, frozen=True):
    min_stake_units: Units
    max_stake_ratio_ppm: Annotated[int, Meta(ge=0, le=1_000_000_000)]
    lease_ms: Window
    min_lease_ms: Window
    max_lease_ms: Window
    renewals: Annotated[int, Meta(ge=0, le=100)]
    free_abandon_ppm: Ppm


class Windows(Section, frozen=True):
    draw_ms: Window
    open_ms: Window
    commit_ms: Window
    reveal_ms: Window
    challenge_ms: Window
    evidence_ms: Window
    unbonding_ms: Window
    payout_ms: Window
    notice_ms: Window


class Checks(Section, frozen=True):
    panels: Annotated[tuple[Annotated[int, Meta(ge=1, le=15)], ...], Meta(min_length=1, max_length=3)]
    exact_kinds: Annotated[tuple[Name, ...], Meta(max_length=64)]
    floor_ppm: Ppm
    catch_ppm: Ppm
    effort_ppm: Ppm
    trusted_streak: Small
    jail_memory_ms: Span
    price_jump: Annotated[int, Meta(ge=1, le=1_000)]
    key_change_checks: Small
    reputation_scale_ppm: Ppm
    reputation_base_ppm: Ppm
    reputation_slope_ppm: Annotated[int, Meta(ge=0, le=10_000_000)]
    reputation_floor_ppm: Ppm


class Batch(Section, frozen=True):
    sample_items: Annotated[int, Meta(ge=1, le=128)]
    overlap_ppm: Ppm
    detect_bad_ppm: Ppm
    significance_ppm: Ppm


class Verifiers(Section, frozen=True):
    fee_units: Units
    bond_fees: Small
    min_bond_units: Annotated[int, Meta(ge=1, le=10**12)]
    weight_cap_units: Annotated[int, Meta(ge=1, le=10**12)]
    min_age_ms: Span
    epoch_ms: Window
    recent_checks: Annotated[int, Meta(ge=0, le=5)]
    replacements: Annotated[int, Meta(ge=0, le=2)]
    no_commit_ppm: Ppm
    wrong_ppm: Ppm
    no_reveal_ppm: Ppm
    no_reveal_jail_ms: Span


class Money(Section, frozen=True):
    round_reserve_ppm: Annotated[int, Meta(ge=0, le=10_000_000)]
    evidence_hold_ppm: Ppm
    requester_ppm: Ppm
    reporter_ppm: Ppm
    reporter_max_fees: Small
    min_burn_ppm: Ppm
    operator_bond_min_units: Units


class Faults(Section, frozen=True):
    liveness_ppm: Ppm
    liveness_memory_ms: Span
    liveness_strikes: Annotated[int, Meta(ge=1, le=20)]
    liveness_jail_ms: Span
    judged_ppm: Ppm
    exact_ppm: Ppm
    failure_strikes: Annotated[int, Meta(ge=1, le=20)]
    failure_memory_ms: Span


class Blobs(Section, frozen=True):
    max_bytes: Annotated[int, Meta(ge=1, le=1 << 30)]
    uris: bool


class Reputation(Section, frozen=True):
    verdict_milli: Milli
    fraud_milli: Milli
    expiry_milli: Milli
    accepted_milli: Milli
    completed_milli: Milli
    completed_max_milli: Milli
    verifier_milli: Milli
    no_commit_milli: Milli
    no_reveal_milli: Milli
    first_come_ppm: Ppm
    assigned_ppm: Ppm
    stake_reference_units: Annotated[int, Meta(ge=1, le=10**12)]
    score_epoch_ms: Window


class Witnesses(Section, frozen=True):
    """The witnesses' keys and quorum, in the lines of C2SP tlog-policy; empty: no witnesses."""

    quorum: Annotated[
        tuple[Annotated[str, Meta(max_length=200, pattern=r"^[ !#-\[\]-~]*$(?!\n)")], ...],
        Meta(max_length=32),
    ]


class Policy(Section, frozen=True):
    name: Name
    registration: Registration
    claims: Claims
    windows: Windows
    checks: Checks
    batch: Batch
    verifiers: Verifiers
    money: Money
    faults: Faults
    blobs: Blobs
    reputation: Reputation
    witnesses: Witnesses

    @property
    def bond_units(self) -> int:
        """What a seat locks."""
        return max(self.verifiers.bond_fees * self.verifiers.fee_units, self.verifiers.min_bond_units)

    @property
    def fees_units(self) -> int:
        """F of rules.md 4: the first panel's fees and the reserve for later rounds, rounded up."""
        fees = self.checks.panels[0] * self.verifiers.fee_units
        return -(-fees * (1_000_000 + self.money.round_reserve_ppm) // 1_000_000)

    def is_exact(self, task_kind: str) -> bool:
        """Whether anyone can recompute work of this kind, so that a wrong vote is a fault."""
        return task_kind in self.checks.exact_kinds

    def slash_ppm(self, task_kind: str) -> int:
        """The share of the stake that a failed check of this kind costs."""
        return self.faults.exact_ppm if self.is_exact(task_kind) else self.faults.judged_ppm

    @property
    def most_items(self) -> int:
        """The most items that one seat may have to judge: its share, and all that the rounds before disputed."""
        sample = self.batch.sample_items
        most = 0
        for number, size in enumerate(self.checks.panels):
            own = -(-sample // size)
            share = own if size == 1 else own - (-own * self.batch.overlap_ppm // 1_000_000)
            most = max(most, number * sample + share)
        return most

    @property
    def longest_dispute_ms(self) -> int:
        """From an output to the last verdict: every round drawn, opened, passed on and revealed at its latest."""
        w, v = self.windows, self.verifiers
        panel = w.draw_ms + w.open_ms + (1 + v.replacements) * w.commit_ms + w.reveal_ms + w.challenge_ms
        return len(self.checks.panels) * panel


class InvalidPolicy(ValueError):
    """A policy file that is malformed, or dangerous: the reasons in words."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def parse(toml: str) -> Policy:
    """A policy from TOML text; InvalidPolicy where a key is missing, unknown or out of range."""
    try:
        return msgspec.toml.decode(toml, type=Policy)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InvalidPolicy([_ascii(str(error))]) from error


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode().replace("\\", "/").replace('"', "'")


def dangers(policy: Policy) -> list[str]:
    """Why this policy may not be adopted (rules.md 2); empty when it may."""
    w, c, m, f = policy.windows, policy.claims, policy.money, policy.faults
    rules = (
        (w.unbonding_ms <= w.evidence_ms + policy.longest_dispute_ms,
         "unbonding must outlast the evidence window plus the longest dispute, or a cheat leaves before the slash"),
        (m.min_burn_ppm < 300_000, "at least 30 % of a slash must burn, or a ring earns by punishing itself"),
        (m.requester_ppm + m.reporter_ppm + m.min_burn_ppm > 1_000_000,
         "the shares of a slash exceed the slash"),
        (m.requester_ppm > 500_000, "a requester may get at most half of a slash"),
        (list(policy.checks.panels) != sorted(set(policy.checks.panels)), "each panel must be larger than the last"),
        (not c.min_lease_ms <= c.lease_ms <= c.max_lease_ms, "the default lease must be a legal lease"),
        (policy.verifiers.weight_cap_units < policy.bond_units, "the weight cap is under one bond"),
        (policy.verifiers.no_reveal_ppm < policy.verifiers.wrong_ppm, "silence must not be cheaper than a wrong vote"),
        (w.notice_ms < max(w.challenge_ms, w.open_ms, w.commit_ms, w.reveal_ms),
         "the notice must be as long as the longest window that it may change"),
        (policy.most_items > MAX_JUDGED_ITEMS,
         f"a seat may have to judge {policy.most_items} items, a vote holds {MAX_JUDGED_ITEMS}"),
        (f.exact_ppm < f.judged_ppm, "a failed exact check must cost at least what a failed judged one does"),
        (policy.checks.catch_ppm == 0 and policy.checks.effort_ppm > 0, "checks that catch nothing cannot deter"),
    )  # fmt: skip
    return [reason for broken, reason in rules if broken]


def warnings(policy: Policy) -> list[str]:
    """What is allowed but unwise, in words."""
    checks, stakes = policy.checks, policy.claims
    rules = (
        (stakes.min_stake_units == 0, "claims need no stake: a cheat loses nothing but its reputation"),
        (checks.floor_ppm < 10_000, "under 1 % of trusted work is looked at: a traitor stays long"),
        (checks.panels[0] < 3, "a panel of fewer than three can be one colluder"),
        (policy.verifiers.fee_units == 0, "verifiers work for nothing: expect lazy votes"),
        (policy.money.operator_bond_min_units == 0, "the operator has nothing at stake"),
        (policy.registration.pow_bits < 8, "registering anew is nearly free"),
        (policy.verifiers.min_age_ms == 0, "an agent may check others in the moment it registers"),
    )
    return [reason for unwise, reason in rules if unwise]
