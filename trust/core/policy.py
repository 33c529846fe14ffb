"""A policy file as typed values: every economic number of the rules, from one TOML file (docs/rules.md 2 to 5).

A task pins the policy that is in force when it is posted. `parse` refuses what is malformed or out of range,
`dangers` lists why a well-formed policy may not be adopted, `warnings` what is merely unwise. Units last: `_units`
money, `_ms` time, `_ppm` shares.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec
from msgspec import Meta

from trust.core.decay import Decay
from trust.core.payloads import MAX_JUDGED_ITEMS, Did
from trust.log.quorum import NONE, PolicyError, parse_quorum, words_of

MAX_INT = 2**53 - 1
DAY_MS = 86_400_000
PPM = 1_000_000
MAX_SETTLED_SEATS = 90
MIN_SEEDS = 10
FEW_CHECKS_PPM = 600_000
MIN_WINDOW_MS = 100
SHORT_WINDOW_MS = 5_000
Ppm = Annotated[int, Meta(ge=0, le=1_000_000)]
Units = Annotated[int, Meta(ge=0, le=10**12)]
Window = Annotated[int, Meta(ge=1, le=366 * DAY_MS)]
Span = Annotated[int, Meta(ge=0, le=10 * 366 * DAY_MS)]
Milli = Annotated[int, Meta(ge=0, le=1_000_000)]
Small = Annotated[int, Meta(ge=0, le=10_000)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$(?!\n)")]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of the policy file: a key without a default must be present, none may be unknown."""


class Registration(Section, frozen=True):
    pow_bits: Annotated[int, Meta(ge=0, le=40)]
    name_bond_units: Units


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
    grace_ms: Span


class Checks(Section, frozen=True):
    panels: Annotated[tuple[Annotated[int, Meta(ge=1, le=15)], ...], Meta(min_length=1, max_length=3)]
    exact_kinds: Annotated[tuple[Name, ...], Meta(max_length=64)]
    floor_ppm: Ppm
    catch_ppm: Ppm
    margin_ppm: Ppm
    trusted_streak: Small
    jail_memory_ms: Span
    key_change_checks: Small
    reputation_scale_ppm: Ppm
    reputation_base_ppm: Ppm
    reputation_slope_ppm: Annotated[int, Meta(ge=0, le=10_000_000)]
    reputation_floor_ppm: Ppm


class Allocation(Section, frozen=True):
    max_shortlist: Annotated[int, Meta(ge=1, le=128)]
    min_exclusive_ms: Window
    max_exclusive_ms: Window
    drawn_in_ms: Window
    probation_ppm: Ppm
    probation_milli: Milli
    probation_stake_ppm: Annotated[int, Meta(ge=0, le=10_000_000)]


class Batch(Section, frozen=True):
    sample_items: Annotated[int, Meta(ge=1, le=128)]
    overlap_ppm: Ppm
    detect_bad_ppm: Ppm
    significance_ppm: Ppm
    max_tolerated_ppm: Ppm


class Verifiers(Section, frozen=True):
    fee_units: Units
    liability_fees: Small
    min_liability_units: Annotated[int, Meta(ge=1, le=10**12)]
    liability_ppm: Ppm
    min_liabilities: Annotated[int, Meta(ge=1, le=1_000)]
    weight_cap_units: Annotated[int, Meta(ge=1, le=10**12)]
    min_age_ms: Span
    epoch_ms: Window
    replacements: Annotated[int, Meta(ge=0, le=2)]
    no_commit_ppm: Ppm
    wrong_ppm: Ppm
    canary_ppm: Ppm
    no_reveal_ppm: Ppm
    no_reveal_jail_ms: Span


class Money(Section, frozen=True):
    round_reserve_ppm: Annotated[int, Meta(ge=0, le=10_000_000)]
    evidence_hold_ppm: Ppm
    reporter_max_fees: Small
    challenge_ppm: Ppm
    challenge_burn_ppm: Ppm
    operator_bond_min_units: Units


class Faults(Section, frozen=True):
    liveness_ppm: Ppm
    liveness_memory_ms: Span
    liveness_strikes: Annotated[int, Meta(ge=1, le=20)]
    liveness_jail_ms: Span
    judged_ppm: Ppm
    exact_ppm: Ppm
    equivocation_ppm: Ppm
    failure_strikes: Annotated[int, Meta(ge=1, le=20)]
    failure_memory_ms: Span
    surety_ppm: Ppm = 0


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
    canary_milli: Milli
    no_commit_milli: Milli
    no_reveal_milli: Milli
    unfounded_milli: Milli
    unclear_milli: Milli
    first_come_ppm: Ppm
    assigned_ppm: Ppm
    stake_reference_units: Annotated[int, Meta(ge=1, le=10**12)]
    seeds: Annotated[tuple[Did, ...], Meta(max_length=64)]
    score_epoch_ms: Window


class Witnesses(Section, frozen=True):
    """The witnesses' keys and quorum, in the lines of C2SP tlog-policy (`trust.log.quorum`); empty: no witnesses."""

    quorum: Annotated[
        tuple[Annotated[str, Meta(max_length=2_048, pattern=r"^[ !#-\[\]-~]*$(?!\n)")], ...],
        Meta(max_length=24),
    ]


class Beacons(Section, frozen=True):
    """Other parties' keys that make a draw where the service does not, in an order that each draw's input gives."""

    keys: Annotated[tuple[Did, ...], Meta(max_length=7)]


class Coordination(Section, frozen=True):
    """From where on `GET /v1/stats/overhead` advises against a way to coordinate; nothing that decides reads it."""

    work_ratio: Annotated[int, Meta(ge=1, le=10_000)]
    overhead_ppm: Ppm
    queue_ppm: Ppm
    waiting_milli: Milli
    min_claims: Annotated[int, Meta(ge=1, le=1_000_000)]


class Policy(Section, frozen=True):
    name: Name
    registration: Registration
    claims: Claims
    windows: Windows
    checks: Checks
    allocation: Allocation
    batch: Batch
    verifiers: Verifiers
    money: Money
    faults: Faults
    blobs: Blobs
    reputation: Reputation
    witnesses: Witnesses
    beacons: Beacons
    coordination: Coordination | None = None

    @property
    def draw_ms(self) -> int:
        """From what asks for a draw until it is overdue: the service's turn, then that of each beacon."""
        return self.windows.draw_ms * (1 + len(self.beacons.keys))

    def liability_units(self, price_units: int = 0) -> int:
        """Returns what a seat on work at this price answers for, in units; without a price, the least of any seat."""
        v = self.verifiers
        return max(
            v.liability_fees * v.fee_units,
            v.min_liability_units,
            price_units * v.liability_ppm // 1_000_000,
        )

    @property
    def verifier_stake_units(self) -> int:
        """The least stake of a verifier, in units: so many of the least liability of a seat."""
        return self.verifiers.min_liabilities * self.liability_units()

    @property
    def fees_units(self) -> int:
        """F of docs/rules.md 4: the first panel's fees and the reserve for later rounds, rounded up."""
        fees = self.checks.panels[0] * self.verifiers.fee_units
        return -(-fees * (1_000_000 + self.money.round_reserve_ppm) // 1_000_000)

    def is_exact(self, task_kind: str) -> bool:
        """Returns whether anyone can recompute work of this kind, so that a wrong vote is a fault."""
        return task_kind in self.checks.exact_kinds

    def slash_ppm(self, task_kind: str, appealable: bool = True) -> int:
        """The share of the stake that a failed check of this kind costs; the judged one where nobody could appeal."""
        return self.faults.exact_ppm if appealable and self.is_exact(task_kind) else self.faults.judged_ppm

    @property
    def appeal_owners(self) -> int:
        """How many owners beside the parties the first panel and one appeal take; more than any pool has where the
        first verdict is the last."""
        return sum(self.checks.panels[:2]) if len(self.checks.panels) > 1 else MAX_INT

    def shortage(self, owners: int) -> str:
        """Returns in words what a pool of so many owners, none of them a party to a claim, is too small for; "" for
        nothing."""
        first = self.checks.panels[0]
        if owners < first:
            return f"{owners} owners check this kind, a panel takes {first}: nobody can claim such work"
        if owners < self.appeal_owners and len(self.checks.panels) > 1:
            return (
                f"{owners} owners check this kind, a panel and an appeal take {self.appeal_owners}: a fail costs the "
                "judged share"
            )
        return ""

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

    def panel_fees_units(self, number: int) -> int:
        """The fees of all seats of round `number`."""
        return self.checks.panels[number - 1] * self.verifiers.fee_units

    def challenge_bond_units(self, price_units: int, number: int) -> int:
        """Returns the bond in units of a challenge that opens round `number`: a share of the price, or that panel's
        fees."""
        return max(price_units * self.money.challenge_ppm // 1_000_000, self.panel_fees_units(number))

    @property
    def most_seats(self) -> int:
        """The most seats that one claim may have in all rounds, each passed on as often as may be."""
        return sum(self.checks.panels) * (1 + self.verifiers.replacements)

    def deterred_ppm(self, task_kind: str) -> int:
        """Returns the least check rate in ppm that deters on work of a kind, with the largest stake that a task may
        ask for.

        Over a million: no check rate deters from cheating on it.
        """
        return self.deterrence_ppm(PPM, self.claims.max_stake_ratio_ppm, self.slash_ppm(task_kind))

    def deterrence_ppm(self, price_units: int, stake_units: int, slash_ppm: int) -> int:
        """Returns the least check rate in ppm, rounded up, at which a claim loses money for whoever does no work: the
        least p with p * q * (R + s*S) > R * (1 + margin). Over a million: no check rate does."""
        checks = self.checks
        gain = price_units * (PPM + checks.margin_ppm) * PPM**2
        loss = checks.catch_ppm * (price_units * PPM + slash_ppm * stake_units)
        return gain // max(1, loss) + 1 if gain else 0

    @property
    def check_ms(self) -> int:
        """From the draw of a panel to its verdict at the latest."""
        w = self.windows
        return w.open_ms + (1 + self.verifiers.replacements) * w.commit_ms + w.reveal_ms

    @property
    def longest_dispute_ms(self) -> int:
        """From an output to the last verdict: not checked, and challenged at the end of the window; then every round
        drawn, opened, passed on and revealed at its latest, and challenged."""
        w = self.windows
        panel = self.draw_ms + self.check_ms + w.challenge_ms
        return self.draw_ms + w.challenge_ms + len(self.checks.panels) * panel


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


def with_quorum(lines: Iterable[str]) -> Witnesses:
    """The section for these lines of C2SP tlog-policy, without comments and what is for others; InvalidPolicy."""
    try:
        kept = [" ".join(words) for words in words_of(lines) if words[0] != "log"]
        return msgspec.convert({"quorum": kept}, Witnesses)
    except (msgspec.ValidationError, PolicyError) as error:
        raise InvalidPolicy([_ascii(f"the witnesses: {error}")]) from error


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode().replace("\\", "/").replace('"', "'")


def dangers(policy: Policy) -> list[str]:
    """Returns the reasons why this policy may not be adopted (docs/rules.md 2); empty when it may."""
    w, c, m, f = policy.windows, policy.claims, policy.money, policy.faults
    rules = (
        (w.unbonding_ms <= w.evidence_ms + policy.longest_dispute_ms,
         "unbonding must outlast the evidence window plus the longest dispute, or a cheat leaves before the slash"),
        (m.challenge_burn_ppm < 300_000,
         "at least 30 % of a lost bond must burn, or a pair disputes each other's work for nothing"),
        (list(policy.checks.panels) != sorted(set(policy.checks.panels)), "each panel must be larger than the last"),
        (not c.min_lease_ms <= c.lease_ms <= c.max_lease_ms, "the default lease must be a legal lease"),
        (policy.verifiers.weight_cap_units < policy.verifier_stake_units,
         "the weight cap is under the least stake of a verifier"),
        (policy.verifiers.no_reveal_ppm < policy.verifiers.wrong_ppm, "silence must not be cheaper than a wrong vote"),
        (policy.reputation.no_reveal_milli < policy.reputation.verifier_milli,
         "silence must not weigh less on a record than a wrong vote"),
        (policy.verifiers.canary_ppm < policy.verifiers.wrong_ppm or
         policy.reputation.canary_milli < policy.reputation.verifier_milli,
         "a failed canary must cost at least what a wrong vote does"),
        (policy.most_seats > MAX_SETTLED_SEATS,
         f"a claim may come to {policy.most_seats} seats, one entry settles {MAX_SETTLED_SEATS}"),
        (w.notice_ms < max(w.challenge_ms, w.open_ms, w.commit_ms, w.reveal_ms),
         "the notice must be as long as the longest window that it may change"),
        (policy.most_items > MAX_JUDGED_ITEMS,
         f"a seat may have to judge {policy.most_items} items, a vote holds {MAX_JUDGED_ITEMS}"),
        (f.exact_ppm < f.judged_ppm, "a failed exact check must cost at least what a failed judged one does"),
        (policy.allocation.min_exclusive_ms > policy.allocation.max_exclusive_ms,
         "no exclusive window lies between its bounds, so no task can be allocated"),
        (policy.allocation.probation_ppm > 500_000,
         "more than half of all draws would be from the probation lane: a record would count for nothing"),
        (policy.checks.catch_ppm == 0, "checks that catch nothing cannot deter"),
        (len(set(policy.beacons.keys)) < len(policy.beacons.keys), "a beacon is named twice"),
        (0 < len(set(policy.reputation.seeds)) < MIN_SEEDS,
         f"fewer than {MIN_SEEDS} different seeds: a few friends could make anybody look trusted"),
    )  # fmt: skip
    traps = _windows_too_short(policy) + _toothless(policy)
    return [reason for broken, reason in rules if broken] + traps + _quorum_dangers(policy.witnesses)


def _windows_too_short(policy: Policy) -> list[str]:
    """Returns the windows in which nobody could act: whoever sets them lets everybody else be silent."""
    names = ("draw_ms", "open_ms", "commit_ms", "reveal_ms", "challenge_ms", "evidence_ms")
    short = [name for name in names if getattr(policy.windows, name) < MIN_WINDOW_MS]
    return [f"windows.{name} is under {MIN_WINDOW_MS} ms: nobody can act in it" for name in short]


def _toothless(policy: Policy) -> list[str]:
    """Returns what makes cheating free, or honest work a loss, whatever else the policy says."""
    v, f, batch = policy.verifiers, policy.faults, policy.batch
    rules = (
        (f.exact_ppm == 0 or f.judged_ppm == 0, "a failed check slashes nothing: a cheat risks nothing"),
        (v.wrong_ppm == 0, "a wrong vote on exact work costs nothing: a panel can be had for the asking"),
        (
            v.no_commit_ppm > v.wrong_ppm,
            "a late commitment costs more than a wrong vote: better to guess in time",
        ),
        (batch.significance_ppm == 0, "a batch never fails: whatever its sample shows would be tolerated"),
        (batch.max_tolerated_ppm > 500_000, "a task may tolerate more bad items than good ones"),
    )
    return [reason for broken, reason in rules if broken]


def _quorum_dangers(witnesses: Witnesses) -> list[str]:
    """Returns the reasons why these lines cannot be the quorum that a draw waits for."""
    if not witnesses.quorum:
        return []
    try:
        quorum = parse_quorum(witnesses.quorum)
    except PolicyError as error:
        return [_ascii(f"the witnesses: {error}")]
    return ["a quorum of `none` names no witness: leave the lines out"] if quorum.needed == NONE else []


def warnings(policy: Policy, every_ms: int = 0) -> list[str]:
    """Returns what is allowed but unwise, in words; `every_ms` is how often an agent has a task, where that is
    known."""
    checks, stakes, money = policy.checks, policy.claims, policy.money
    faults, weights = policy.faults, policy.reputation
    rules = (
        (stakes.min_stake_units == 0, "claims need no stake: a cheat loses nothing but its reputation"),
        (checks.floor_ppm < 10_000, "under 1 % of trusted work is looked at: a traitor stays long"),
        (checks.panels[0] < 3, "a panel of fewer than three can be one colluder"),
        (policy.verifiers.fee_units == 0, "verifiers work for nothing: expect lazy votes"),
        (policy.money.operator_bond_min_units == 0, "the operator has nothing at stake"),
        (min(policy.windows.open_ms, policy.windows.commit_ms, policy.windows.reveal_ms) < SHORT_WINDOW_MS,
         "windows of a few seconds: an agent that is away for a moment loses its stake"),
        (policy.windows.grace_ms == 0,
         ("no grace: a relay's word that something was shown in time comes too late, so the operator alone can take a "
          "stake by not listening")),
        (policy.verifiers.no_reveal_jail_ms > 0,
         ("silence after a commitment jails: an operator that does not hear honest verifiers, with a relay of its own, "
          "has its friends judge")),
        (not policy.beacons.keys, "no beacons: a draw that the service does not make is made by nobody"),
        (policy.registration.name_bond_units == 0,
         "a name costs nothing: who is caught comes back under another, into the places of newcomers"),
        (policy.registration.pow_bits < 8, "registering anew is nearly free"),
        (
            policy.allocation.probation_ppm == 0,
            "no draw looks at newcomers: it takes them a month to be known",
        ),
        (policy.allocation.probation_stake_ppm < 1_000_000, "a newcomer's stake is under what it is paid"),
        (
            policy.allocation.max_shortlist == 1,
            "one agent that is away leaves an allocated task to whoever comes",
        ),
        (policy.verifiers.min_age_ms == 0, "an agent may check others in the moment it registers"),
        (len(checks.panels) == 1,
         "the first verdict is final: nobody can challenge it, and no canary comes to bear"),
        (money.evidence_hold_ppm == 0, "nothing of the stake is held after acceptance: late evidence finds it empty"),
        (money.reporter_max_fees == 0, "nobody earns by showing evidence"),
        (faults.surety_ppm > 500_000,
         ("a squad's sureties burn over half of what a failed part costs its worker: who fails on purpose ruins others "
          "cheaply")),
        (faults.liveness_ppm == 0, "a claim can be taken and forgotten for nothing"),
        (faults.liveness_memory_ms < 10 * stakes.lease_ms,
         "a lease that ran out is forgotten within ten leases: a habit is never seen"),
        (policy.windows.challenge_ms < policy.check_ms,
         "the challenge window is shorter than a check: who is caught has been paid for what was not looked at"),
        (policy.verifiers.liability_ppm == 0, "a seat on dear work answers for no more than one on cheap work"),
        (faults.failure_memory_ms < checks.jail_memory_ms,
         "a failed check is forgotten before a jail is: who fails slowly is never shut out"),
        (weights.fraud_milli < weights.verdict_milli, "fraud weighs less than one good verdict: it is soon made good"),
        (weights.accepted_milli > weights.verdict_milli,
         "a requester's word weighs more than a panel's verdict: friends make reputations"),
        (every_ms > Decay(0).fast_half_life_ms,
         "a task is rarer than the fast record's half-life of 14 days: bad news fades before the next"),
        (every_ms > Decay(0).slow_half_life_ms,
         "a task is rarer than the slow record's half-life of 60 days: nobody ever has a record"),
    )  # fmt: skip
    return [reason for unwise, reason in rules if unwise] + _too_small_stakes(policy)


def _too_small_stakes(policy: Policy) -> list[str]:
    """Returns warnings where the largest stake that a task may ask for hardly deters."""
    warnings = []
    for word, kinds in (("exact", policy.checks.exact_kinds[:1]), ("judged", ("any other kind",))):
        for least_ppm in map(policy.deterred_ppm, kinds):
            if least_ppm >= 1_000_000:
                warnings.append(f"{word} work above a small price: no stake deters, so nobody can claim it")
            elif least_ppm > FEW_CHECKS_PPM:
                share = f"{least_ppm // 10_000} % of it is checked, however good the record"
                warnings.append(f"the stakes that a task may ask for are small for {word} work: {share}")
    return warnings
