"""The price of safety: what honest work costs in votes, fees and locked money, by its record and by its stake.

One honest worker does one task after the other for a stranger; what each costs is read from the log. The worker's stake
counts by its size and by the days that it is locked; of verifiers, what one of them has locked on average meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import msgspec

from trust.core import events as e
from trust.core import ledger
from trust.core.policy import Policy
from trust.core.records import Claim, Seat
from trust.core.rulebook import Decided
from trust.simulation.exploit.moves import SETTLED, Choice, Move
from trust.simulation.exploit.play import Game
from trust.simulation.exploit.search import opening_of
from trust.simulation.network import DAY_MS
from trust.simulation.tally import Figure, figure

WORKER = 2
STAKES = ("price", "double", "most")
RECORDS = (0, 5, 10, 20, 40, 60)
"""Where classes of records begin, and where the last ends: so many tasks done before."""
PRICE_UNITS = 100
DONE: dict[str, Choice] = {
    "count": 1,
    "tasks": "ours",
    "price": PRICE_UNITS,
    "output": "true",
    "requester": 0,
}


class Cost(msgspec.Struct, frozen=True):
    """The cost of a task with so many done before, at this stake: means over tasks, intervals over seeds. `stake_days`
    are the days for which the stake is locked, `verifier_units` what a verifier has locked meanwhile."""

    stake: str
    record: int
    check_rate: Figure
    votes: Figure
    fees_units: Figure
    stake_units: Figure
    stake_days: Figure
    verifier_units: Figure


class SafetyJob(msgspec.Struct, frozen=True):
    """The price of safety under seeds 1 to `seeds`."""

    policy: Policy
    seeds: int

    def play(self) -> list[Cost]:
        """Returns the cost of a task, for each stake and class of records."""
        return costs(self.policy, range(1, self.seeds + 1))


class _Done(msgspec.Struct):
    """One task as it went."""

    began_ms: int
    rate_ppm: int
    stake_units: int
    votes: int = 0
    fees_units: int = 0
    stake_unit_ms: int = 0
    verifier_unit_ms: int = 0
    ended_ms: int = 0


class _Meter:
    """Listens to a game for what each claim costs."""

    def __init__(self, game: Game) -> None:
        self.tasks: list[_Done] = []
        self._crowd = game.crowd
        self._verifiers = frozenset(game.crowd.opening.verifiers)
        staked = (ledger.balance(game.net.state, ledger.verifier_stake(did)) for did in self._verifiers)
        self._locked: Counter[str] = Counter(verifiers=sum(staked))
        self._since_ms = game.net.now_ms
        self._claims: dict[str, _Done] = {}
        game.net.listeners.append(self._hear)

    def _hear(self, decided: Decided) -> None:
        self._pass(decided.at_ms)
        for event in decided.events:
            if isinstance(event, e.ClaimOpened):
                done = _Done(decided.at_ms, event.rate_ppm, event.stake_units)
                self._claims[event.claim] = done
                self.tasks.append(done)
            elif isinstance(event, e.VoteRevealed):
                self._claims[self._crowd.get(Seat, event.seat).claim].votes += 1
            elif isinstance(event, e.ClaimEnded):
                self._claims[event.claim].ended_ms = decided.at_ms
            elif isinstance(event, e.MoneyMoved):
                self._moved(event)

    def _pass(self, now_ms: int) -> None:
        """Counts what was locked until now."""
        for done in self.tasks[-1:]:
            if not done.ended_ms:
                passed_ms = now_ms - self._since_ms
                done.verifier_unit_ms += passed_ms * self._locked["verifiers"]
        for claim, done in self._claims.items():
            done.stake_unit_ms += (now_ms - self._since_ms) * self._locked[ledger.stake(claim)]
        self._since_ms = now_ms

    def _moved(self, event: e.MoneyMoved) -> None:
        for account, change in event.postings:
            self._locked[account] += change
            if self._is_verifiers(account):
                self._locked["verifiers"] += change
            if account == ledger.VERIFICATION and change > 0:
                self._charged(event, change)

    def _is_verifiers(self, account: str) -> bool:
        """Returns whether it is a lock of an honest verifier's money."""
        return not account.endswith("/free") and any(part in self._verifiers for part in account.split("/"))

    def _charged(self, event: e.MoneyMoved, units: int) -> None:
        for account, _ in event.postings:
            first, _, rest = account.partition("/")
            if first == "task":
                task = rest.partition("/")[0]
                for claim, done in self._claims.items():
                    if self._crowd.get(Claim, claim).task == task:
                        done.fees_units += units


def costs(policy: Policy, seeds: Sequence[int]) -> list[Cost]:
    """Returns the cost of a task, for each stake and class of records."""
    return [cost for stake in STAKES for cost in _of_stake(policy, stake, seeds)]


def _of_stake(policy: Policy, stake: str, seeds: Sequence[int]) -> Iterator[Cost]:
    opening = opening_of(policy, False)
    moves = (Move(act="work", who=WORKER, args={**DONE, "stake": stake}, after=SETTLED),) * RECORDS[-1]
    played = []
    for seed in seeds:
        game = Game(opening, seed)
        meter = _Meter(game)
        for move in moves:
            game.make(move)
        game.end()
        played.append(meter.tasks)
    for record, until in pairwise(RECORDS):
        classes = [tasks[record:until] for tasks in played if tasks[record:until]]
        if classes:
            yield _cost(stake, record, classes, len(opening.verifiers))


def _cost(stake: str, record: int, classes: Sequence[Sequence[_Done]], verifiers: int) -> Cost:
    def over(total: str, per: str = "") -> Figure:
        """The mean of a field over each class, or of one sum for each unit of another."""
        return figure(
            [
                sum(getattr(done, total) for done in tasks)
                / (sum(getattr(done, per) for done in tasks) if per else len(tasks))
                for tasks in classes
            ]
        )

    days = [
        sum(done.stake_unit_ms / max(1, done.stake_units) for done in tasks) / len(tasks) / DAY_MS
        for tasks in classes
    ]
    rate = over("rate_ppm")
    locked = [
        sum(done.verifier_unit_ms for done in tasks)
        / max(1, sum(done.ended_ms - done.began_ms for done in tasks))
        / verifiers
        for tasks in classes
    ]
    return Cost(
        stake,
        record,
        Figure(rate.mean / 10**6, rate.low / 10**6, rate.high / 10**6),
        over("votes"),
        over("fees_units"),
        over("stake_units"),
        figure(days),
        figure(locked),
    )
