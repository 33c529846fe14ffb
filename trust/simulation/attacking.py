"""Plays attacks under seeds, for each share of malicious agents, and gathers the figures and the goals missed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from trust.core.policy import Policy
from trust.simulation import scores, spoils
from trust.simulation.attacks import ATTACKS, CHECKED_PPM, PPM, Attack, Checks, Scale, terms
from trust.simulation.market import Market
from trust.simulation.relayed import Relayed
from trust.simulation.running import RULES
from trust.simulation.spoils import Spoils
from trust.simulation.spreading import Report, done, nothing_collected
from trust.simulation.tally import Figure, figure

SCHEMES = (*scores.SCORES, RULES)
SPANS = 12
WAY_UP_DAYS = 30


class Job(msgspec.Struct, frozen=True):
    """One attack under one seed."""

    attack: Attack
    malicious_ppm: int
    policy: Policy
    checks: Checks
    scale: Scale
    named: bool
    appeals: bool
    seed: int


Played = dict[str, Spoils]


class AttackResult(msgspec.Struct, frozen=True):
    """One attack: the figures of each scheme, the share spoiled by each and in each twelfth of the days, and the share
    of newcomers with ten tasks within 0, 1, ... 30 days under the rules."""

    attack: Attack
    malicious_ppm: int
    schemes: dict[str, dict[str, Figure]]
    spoiled: dict[str, list[float]]
    over_time: dict[str, list[float]]
    way_up: list[float]


class Summary(msgspec.Struct, frozen=True):
    """One scheme over all attacks that were played: the share spoiled in their mean and in the worst of them."""

    scheme: str
    malicious_ppm: int
    mean: Figure
    worst: Figure
    worst_attack: str


class Missed(msgspec.Struct, frozen=True):
    """A goal that the rules do not reach, and where."""

    where: str
    goal: str
    measured: Figure


class Results(msgspec.Struct, frozen=True):
    """The attacks that were played, and what came of them."""

    policy: str
    checks: Checks
    scale: Scale
    named: bool
    appeals: bool
    attacks: list[AttackResult]
    summaries: list[Summary]
    missed: list[Missed]


def play_one(job: Job) -> Played:
    """Each scheme on the same events."""

    def market() -> Market:
        return Market(job.attack, job.malicious_ppm, job.scale, job.seed)

    played = {name: scores.play(name, market(), CHECKED_PPM[job.checks]) for name in scores.SCORES}
    with nothing_collected():
        policy = terms(job.policy, job.checks)
        played[RULES] = Relayed(market(), policy, named=job.named, appeals=job.appeals).play()
    return played


def play(
    attacks: Sequence[Attack],
    malicious_ppm: Sequence[int],
    policy: Policy,
    checks: Checks,
    scale: Scale,
    *,
    named: bool = False,
    appeals: bool = False,
    processes: int = 1,
    report: Report | None = None,
) -> Results:
    """Plays every attack with every share of malicious agents under seeds 1 to `scale.seeds`."""
    worlds = [(attack, share) for share in malicious_ppm for attack in attacks]
    seeds = range(1, scale.seeds + 1)
    jobs = [Job(*world, policy, checks, scale, named, appeals, seed) for world in worlds for seed in seeds]
    played = done(play_one, jobs, processes, report)
    n = scale.seeds
    results = [_result(*world, played[at * n : (at + 1) * n]) for at, world in enumerate(worlds)]
    totals = [_summary(results, share, scheme) for share in malicious_ppm for scheme in SCHEMES]
    return Results(
        policy.name,
        checks,
        scale,
        named,
        appeals,
        results,
        totals,
        missed(results, totals, checks, policy.checks.margin_ppm),
    )


def _result(attack: Attack, malicious_ppm: int, played: Sequence[Played]) -> AttackResult:
    by_scheme = {scheme: [one[scheme] for one in played] for scheme in SCHEMES}
    width = max(1, len(played[0][RULES].posted) // SPANS)
    share = spoils.MEASURES["spoiled"]
    return AttackResult(
        attack=attack,
        malicious_ppm=malicious_ppm,
        schemes={scheme: spoils.figures(ones) for scheme, ones in by_scheme.items()},
        spoiled={scheme: [round(share(one), 6) for one in ones] for scheme, ones in by_scheme.items()},
        over_time={scheme: spoils.over_time(ones, width) for scheme, ones in by_scheme.items()},
        way_up=spoils.way_up(by_scheme[RULES], WAY_UP_DAYS),
    )


def _summary(results: Sequence[AttackResult], malicious_ppm: int, scheme: str) -> Summary:
    """Seeds are what the interval of a mean over attacks is of."""
    there = [result for result in results if result.malicious_ppm == malicious_ppm]
    by_seed = zip(*(result.spoiled[scheme] for result in there), strict=True)
    worst = max(there, key=lambda result: result.schemes[scheme]["spoiled"].mean)
    return Summary(
        scheme=scheme,
        malicious_ppm=malicious_ppm,
        mean=figure([sum(shares) / len(there) for shares in by_seed]),
        worst=worst.schemes[scheme]["spoiled"],
        worst_attack=worst.attack.name,
    )


# -- goals (docs/reputation.md 6)

_MEANS = {
    ("tenth", 100_000): 0.005,
    ("tenth", 300_000): 0.023,
    ("tenth", 500_000): 0.06,
    ("fortieth", 300_000): 0.055,
}
_WORST = {("tenth", 300_000): 0.045, ("fortieth", 300_000): 0.09}
_KNOWN, _TAKEN = 0.95, 0.04


def missed(
    results: Sequence[AttackResult], totals: Sequence[Summary], checks: Checks, margin_ppm: int
) -> list[Missed]:
    """Returns the goals that are not reached; those over all attacks count only where all of them were played.

    `margin_ppm` is by how much a cheat's loss must exceed its gain under the policy.
    """
    misses = []
    for total in totals:
        key = checks, total.malicious_ppm
        played = {result.attack.name for result in results if result.malicious_ppm == total.malicious_ppm}
        if total.scheme != RULES or not played >= set(ATTACKS):
            continue
        where = f"all attacks at {total.malicious_ppm * 100 // PPM} %"
        if total.mean.mean > _MEANS.get(key, 1.0):
            misses.append(Missed(where, f"mean share spoiled at most {_MEANS[key]:.1%}", total.mean))
        if total.worst.mean > _WORST.get(key, 1.0):
            misses.append(Missed(total.worst_attack, f"share spoiled at most {_WORST[key]:.1%}", total.worst))
    return [*misses, *(each for result in results for each in _missed_in(result, margin_ppm))]


def _missed_in(result: AttackResult, margin_ppm: int) -> list[Missed]:
    where = f"{result.attack.name} at {result.malicious_ppm * 100 // PPM} %"
    of = result.schemes[RULES]
    goals = (
        (
            of["newcomers_known"].mean < _KNOWN,
            "newcomers_known",
            "ten tasks within 7 days for 95 % of newcomers",
        ),
        (
            result.malicious_ppm == 300_000 and of["taken"].mean > _TAKEN,
            "taken",
            "malicious agents have at most 4 % of tasks",
        ),
        (
            0 < of["loss_over_gain"].mean < 1 + margin_ppm / PPM,
            "loss_over_gain",
            f"cheats lose at least {1 + margin_ppm / PPM:.0%} of what they are paid",
        ),
    )
    return [Missed(where, words, of[measure]) for short, measure, words in goals if short]
