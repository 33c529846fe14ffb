"""Players who use the rules themselves: each a short history that the search's table plays (`exploit`).

A player's gain is in units. Against doing nothing it is what it has more at the end than at the beginning, without what
it earned honestly. Against honest work it is what it has more than its honest twin, who makes the same moves with true
outputs and fair specifications; there true work counts what it pays less what it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from trust.core.policy import Policy
from trust.simulation.chance import EFFORT_PPM
from trust.simulation.exploit.moves import MEMBERS, NOW, SETTLED, WHILE, Choice, History, Move
from trust.simulation.exploit.play import Outcome, play
from trust.simulation.exploit.search import opening_of
from trust.simulation.tally import Figure, figure
from trust.simulation.worlds import PPM

REQUESTER, WORKER, OTHER_WORKER, FRESH, OPERATOR = 0, 2, 3, (8, 9, 10, 11), MEMBERS
DEAR, CHEAP = 500, 0


def work(who: int, count: int, tasks: str, price: int, output: str, after: str = SETTLED) -> Move:
    """So many tasks claimed at once, for the price as the stake where that is more than the least."""
    args: dict[str, Choice] = {
        "count": count,
        "tasks": tasks,
        "price": price,
        "stake": "price",
        "output": output,
        "requester": REQUESTER,
    }
    return Move(act="work", who=who, args=args, after=after)


def order(act: str, who: int, after: str = NOW, **args: Choice) -> Move:
    """Any other move."""
    return Move(act=act, who=who, args=args, after=after)


class Player:
    """The strategy of somebody who looks for an advantage in the rules."""

    name: ClassVar[str]
    words: ClassVar[str]
    with_operator: ClassVar[bool] = False
    history: ClassVar[History]


class Burst(Player):
    name = "burst"
    words = "ten honest tasks make a record, then 40 garbage outputs at once under one check rate"
    history = (work(WORKER, 10, "theirs", DEAR, "true"), work(WORKER, 40, "theirs", DEAR, "garbage"))


class SelfDealing(Player):
    name = "self-dealing"
    words = "ten dear tasks of its own house make the record for the burst"
    history = (work(WORKER, 10, "ours", DEAR, "true"), work(WORKER, 40, "theirs", DEAR, "garbage"))


class Freeze(Player):
    name = "freeze"
    words = (
        "a record, then 40 tasks for nothing that keep every verifier's money busy, then 40 garbage outputs"
    )
    history = (
        work(WORKER, 10, "ours", DEAR, "true"),
        work(OTHER_WORKER, 40, "ours", CHEAP, "true"),
        work(WORKER, 40, "theirs", DEAR, "garbage", WHILE),
    )


class Trap(Player):
    name = "trap"
    words = "a requester's ten specifications that nobody can meet, for a stake of the price"
    history = (order("post", REQUESTER, count=10, price=DEAR, stake="price", spec="trap"),)


class FreshNames(Player):
    name = "fresh names"
    words = "four new names in turn claim a dear task, keep it and let it go"
    history = tuple(work(who, 1, "theirs", DEAR, "none") for who in FRESH)


class WithheldDraws(Player):
    name = "withheld draws"
    words = "the operator makes no draw for its friend's garbage"
    with_operator = True
    history = (
        order("withhold draws", OPERATOR, of="failing ours", count=10),
        work(WORKER, 10, "theirs", DEAR, "garbage"),
    )


class FalseCanary(Player):
    name = "false canary"
    words = "the operator has committed to `fail` for an honest worker's output, and opens it"
    with_operator = True
    history = (
        order("canary", OPERATOR, task="next", worker="theirs", verdict="fail"),
        order("post", REQUESTER, "verifiers.epoch_ms", count=1, price=5_000, stake="price", spec="fair"),
        order("open canary", OPERATOR, "windows.draw_ms", verdict="fail"),
    )


PLAYERS: dict[str, type[Player]] = {
    each.name: each for each in (Burst, SelfDealing, Freeze, Trap, FreshNames, WithheldDraws, FalseCanary)
}


class PlayerResult(msgspec.Struct, frozen=True):
    """One player's figures over seeds: its gain against doing nothing, against honest work, what the honest agent that
    lost most lost, and true work of others that was not paid; how claims ended under the first seed."""

    name: str
    words: str
    with_operator: bool
    gain_units: Figure
    against_work_units: Figure
    honest_loss_units: Figure
    unpaid_units: Figure
    ends: dict[str, int]


class PlayerJob(msgspec.Struct, frozen=True):
    """One player under seeds 1 to `seeds`."""

    player: str
    policy: Policy
    seeds: int

    def play(self) -> PlayerResult:
        """The player's figures."""
        return play_player(PLAYERS[self.player], self.policy, range(1, self.seeds + 1))


def honest_twin(history: History) -> History:
    """Returns the same moves in good faith: nothing of an operator's, true outputs, fair specifications."""
    fair = {"output": "true", "spec": "fair"}
    return tuple(
        replace(move, args={name: fair.get(name, value) for name, value in move.args.items()})
        for move in history
        if move.who < MEMBERS
    )


def play_player(player: type[Player], policy: Policy, seeds: Sequence[int]) -> PlayerResult:
    """A player's figures under these seeds."""
    opening = opening_of(policy, player.with_operator)
    own = [play(opening, player.history, seed) for seed in seeds]
    twin = [play(opening, honest_twin(player.history), seed) for seed in seeds]
    return PlayerResult(
        player.name,
        player.words,
        player.with_operator,
        _figure(own, lambda each: each.gain_units),
        figure([float(_earned(mine) - _earned(other)) for mine, other in zip(own, twin, strict=True)]),
        _figure(own, lambda each: each.honest_loss_units),
        _figure(own, lambda each: each.unpaid_units),
        own[0].ends,
    )


def _earned(outcome: Outcome) -> int:
    """All that came of a game for the player, less what its true work cost it."""
    return outcome.gain_units + outcome.honest_units * (PPM - EFFORT_PPM) // PPM


def _figure(outcomes: Sequence[Outcome], measure: Callable[[Outcome], int]) -> Figure:
    return figure([float(measure(each)) for each in outcomes])
