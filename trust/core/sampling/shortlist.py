"""Shortlists: the ordered list of those who may claim a task first, from one stream of integers (docs/reputation.md
4).

For each place in turn:

1. A coin with the policy's probability says whether it goes to the probation lane, where every newcomer is as likely
   as the next. Where the lane has nobody (left), the place is drawn as any other.
2. Any other place is drawn by weight, without replacement: from the sealed pool of the kind by its sum tree, or from
   the candidates that the relay named. Who is come upon and may not claim is passed over.
3. The shortlist ends with its size, with nobody left, or when the draw has looked at enough slots.

Candidates stand in the entry with what they weigh, so anyone draws among them again. From a pool, whether an agent may
claim depends on the whole state; the order in which the draw comes upon agents does not. So `retrace` follows the
draw from the beta and the two sealed pools alone, and finds the shortlist there in its order or says that it is not
the draw's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Protocol

import msgspec

from trust.core.sampling.draw import Picker, Stream, coin
from trust.core.sampling.sumtree import Get, Root, Slot

LABEL = b"shortlist"
MAX_LOOKS = 256
MAX_LANE_LOOKS = 64
"""Slots that one draw looks at, in the pool and in its lane: what it may cost, however many cannot pay a stake."""

Accept = Callable[[str, bool], bool]


class Shortlisted(msgspec.Struct, frozen=True, array_like=True):
    """One of those who may claim first; whether the draw found it in the probation lane."""

    agent: str
    probation: bool


class Candidate(msgspec.Struct, frozen=True, array_like=True):
    """One of those whom the relay named and who may claim: its weight, and whether it is in the probation lane."""

    agent: str
    weight: int
    newcomer: bool


class Source(Protocol):
    """A source that places are drawn from."""

    def next(self, lane: bool) -> str | None:
        """The next agent, out of the lane or by weight; None when there is nobody."""
        ...


def lane_share_ppm(most_ppm: int, lane: int, pool: int) -> int:
    """The probability in ppm that a place goes to the probation lane: what its members would have of all places if each
    were drawn as often as the average of the pool, rounded up; at most `most_ppm`."""
    return min(most_ppm, -(-lane * 1_000_000 // pool)) if pool else 0


def drawn(stream: Stream, size: int, lane_ppm: int, source: Source) -> tuple[Shortlisted, ...]:
    """The shortlist of at most `size` places."""
    places: list[Shortlisted] = []
    while len(places) < size:
        newcomer = source.next(lane=True) if coin(stream, lane_ppm) else None
        agent = newcomer or source.next(lane=False)
        if agent is None:
            break
        places.append(Shortlisted(agent, newcomer is not None))
    return tuple(places)


class Named:
    """The candidates of a relay, in its order: those who may claim."""

    def __init__(self, stream: Stream, among: Iterable[Candidate]) -> None:
        self._stream = stream
        self._left = [each for each in among if each.weight]

    def next(self, lane: bool) -> str | None:
        """By weight, or out of the lane with equal chances."""
        within = [each for each in self._left if each.newcomer] if lane else self._left
        if not within:
            return None
        sums = list(accumulate(1 if lane else each.weight for each in within))
        picked = within[bisect_right(sums, self._stream.below(sums[-1]))]
        self._left.remove(picked)
        return picked.agent


class Sealed:
    """The sealed pool of a kind and its lane; `accept` says whether an agent may be drawn, `get` gives nodes."""

    def __init__(self, stream: Stream, pool: Root, lane: Root, get: Get, accept: Accept) -> None:
        self._pickers = {False: Picker(pool, get, stream, {}), True: Picker(lane, get, stream, {})}
        self._looks = {False: MAX_LOOKS, True: MAX_LANE_LOOKS}
        self._accept = accept
        self._taken: set[str] = set()

    def next(self, lane: bool) -> str | None:
        """By weight in the pool or in the lane, where nothing weighs more than another."""
        picker = self._pickers[lane]
        while self._looks[lane] and picker.weight:
            self._looks[lane] -= 1
            slot = picker.pick(lambda slot: self._is_taken(slot, lane), tries=1)
            if slot is not None:
                self._taken.add(slot.id)
                return slot.id
        return None

    def _is_taken(self, slot: Slot, lane: bool) -> bool:
        return slot.id not in self._taken and self._accept(slot.id, lane)


class NotDrawn(ValueError):
    """A shortlist that the draw does not lead to."""


def retrace(
    stream: Stream,
    size: int,
    lane_ppm: int,
    pool: Root,
    lane: Root,
    get: Get,
    shortlist: Sequence[Shortlisted],
) -> tuple[str, ...]:
    """The agents that were passed over on the way to a shortlist. Raises NotDrawn; BadNode or KeyError from `get`."""
    waiting = list(shortlist)
    passed: list[str] = []

    def accept(agent: str, from_lane: bool) -> bool:
        if waiting and waiting[0] == Shortlisted(agent, from_lane):
            waiting.pop(0)
            return True
        passed.append(agent)
        return False

    if drawn(stream, size, lane_ppm, Sealed(stream, pool, lane, get, accept)) != tuple(shortlist):
        raise NotDrawn("the draw does not lead to this shortlist")
    return tuple(dict.fromkeys(passed))
