"""The worlds of docs/reputation.md 6: what malicious agents do to be trusted, and to make use of it.

All others deliver good work. Each agent has a task of its own done a day; of those that honest agents post, the share
counts that malicious ones take and spoil in the second half of the days, whether a check finds it or not. Checks are
right 95 times in a hundred, requesters 90. But under `standard` checks nobody is shut out: the score alone must hold.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec.structs import replace

from trust.core.policy import Policy, Registration

PPM = 1_000_000
CAMOUFLAGE_PPM = 300_000
TRAITOR_DAY = 40
ON_OFF_DAYS = 10
WASHED = 5

Habit = Literal["always", "camouflage", "traitor", "on-off", "never"]
Checks = Literal["standard", "tenth", "fortieth"]


class Attack(msgspec.Struct, frozen=True, kw_only=True):
    """One way. `washed` is how many tasks a day each of a ring gets from the others, and does well; `returns`: who is
    caught once comes again under another name."""

    name: str
    habit: Habit
    washed: int = 0
    returns: bool = False


class Scale(msgspec.Struct, frozen=True):
    """How much is played: agents, days, and seeds. A day has as many tasks as there are agents."""

    agents: int = 200
    days: int = 120
    seeds: int = 10


QUICK = Scale(agents=60, days=60, seeds=2)
ATTACKS = {
    attack.name: attack
    for attack in (
        Attack(name="always-bad", habit="always"),
        Attack(name="camouflage", habit="camouflage"),
        Attack(name="ring", habit="always", washed=WASHED),
        Attack(name="ring-camouflage", habit="camouflage", washed=WASHED),
        Attack(name="whitewash", habit="always", returns=True),
        Attack(name="ring-whitewash", habit="always", washed=WASHED, returns=True),
        Attack(name="traitor", habit="traitor"),
        Attack(name="on-off", habit="on-off"),
    )
}
CHECKED_PPM = {"standard": 100_000, "tenth": 100_000, "fortieth": 25_000}
"""How often the schemes to compare with look at a task."""


def terms(policy: Policy, checks: Checks) -> Policy:
    """The policy as a world is played under. Proof of work is left out.

    `standard` is the policy itself. `tenth` forgets a failed check at once, so that nobody is shut out after three of
    them, and does not check the first ten tasks of everyone, so that about a tenth is checked. `fortieth` also lowers
    the floor, the reputation's term and the deterrence to what allows 2.5 %; the term 1/streak is a rule, no number
    of a policy, and stays.
    """
    policy = replace(policy, registration=Registration(0, 0))
    if checks == "standard":
        return policy
    rates = replace(policy.checks, trusted_streak=0)
    if checks == "fortieth":
        rates = replace(
            rates,
            floor_ppm=10_000,
            catch_ppm=1_000_000,
            reputation_scale_ppm=policy.checks.reputation_scale_ppm // 4,
            reputation_floor_ppm=5_000,
        )
    return replace(policy, checks=rates, faults=replace(policy.faults, failure_memory_ms=0))
