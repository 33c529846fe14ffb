"""Draws: integers from a beta, and weighted picks from a sealed pool (docs/rules.md 6).

- A stream turns one beta and a label into integers: SHA-256 in counter mode, rejection sampling, no float.
- A pool is sealed by the root of its sum tree; its nodes load lazily, by their digest.
- A pick is weighted and without replacement: whatever was picked or rejected is taken out, and the weights
  on its path shrink. What weighs nothing is never picked.
- An owner with more than a tenth of the total is kept with probability total/(10 x its own total) only, by
  the same stream; when it is not kept, nothing is taken out and the pick is made again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from hashlib import sha256
from itertools import accumulate

from trust.core.sampling.sumtree import Branch, Get, Ref, Root, Slot, load, top, weights

MAX_TRIES = 1_024
OWNER_CAP_DIVISOR = 10

_PPM = 1_000_000
_DOMAIN = b"trust/draw/v1\n"
_BLOCK_VALUES = 1 << 256


class Stream:
    """Integers that follow from `beta` and `label` (any lengths) alone; each label gives its own."""

    def __init__(self, beta: bytes, label: bytes) -> None:
        self._key = sha256(b"%b%d\n%b%d\n%b" % (_DOMAIN, len(beta), beta, len(label), label)).digest()
        self._counter = 0

    def below(self, n: int) -> int:
        """An integer that is uniform in [0, n), for n from 1 to 2^256."""
        if not 1 <= n <= _BLOCK_VALUES:
            raise ValueError(f"no uniform integer in [0, {n})")
        limit = _BLOCK_VALUES - _BLOCK_VALUES % n
        while (value := self._block()) >= limit:
            pass
        return value % n

    def _block(self) -> int:
        block = sha256(self._key + self._counter.to_bytes(8)).digest()
        self._counter += 1
        return int.from_bytes(block)


def coin(stream: Stream, p_ppm: int) -> bool:
    """True with probability p_ppm / 1,000,000."""
    return stream.below(_PPM) < p_ppm


class _Opened:
    """A loaded node, and what is left under each of its children."""

    def __init__(self, ref: Ref, get: Get) -> None:
        self.node = load(ref, get)
        self.weights = weights(self.node)
        self.below: dict[int, _Opened] = {}


class Picker:
    """Picks from one sealed pool. An exception out of `get` leaves it half way: start again with a new one.

    `heavy` gives the total weight of each owner over a tenth of the pool's; others are not capped.
    """

    def __init__(self, root: Root, get: Get, stream: Stream, heavy: Mapping[str, int]) -> None:
        self._root = root
        self._get = get
        self._stream = stream
        self._heavy = heavy
        self._weight = root.total
        self._top: _Opened | None = None

    @property
    def weight(self) -> int:
        """The weight that is left."""
        return self._weight

    def pick(self, accept: Callable[[Slot], bool], tries: int = MAX_TRIES) -> Slot | None:
        """The next slot that `accept` takes; None when no weight is left, or after so many tries."""
        for _ in range(tries):
            if self._weight == 0:
                return None
            path, slot = self._draw()
            if not self._is_kept(slot.owner):
                continue
            self._take_out(path, slot.weight)
            if accept(slot):
                return slot
        return None

    def _draw(self) -> tuple[list[tuple[_Opened, int]], Slot]:
        """A slot by weight, and the way down to it."""
        ticket = self._stream.below(self._weight)
        opened = self._top = self._top or _Opened(top(self._root), self._get)
        path = []
        while True:
            sums = list(accumulate(opened.weights))
            place = bisect_right(sums, ticket)
            ticket -= sums[place - 1] if place else 0
            path.append((opened, place))
            if not isinstance(opened.node, Branch):
                return path, opened.node.slots[place]
            if place not in opened.below:
                opened.below[place] = _Opened(opened.node.children[place], self._get)
            opened = opened.below[place]

    def _is_kept(self, owner: str) -> bool:
        capped = OWNER_CAP_DIVISOR * self._heavy.get(owner, 0)
        return capped <= self._root.total or self._stream.below(capped) < self._root.total

    def _take_out(self, path: list[tuple[_Opened, int]], weight: int) -> None:
        self._weight -= weight
        for opened, place in path:
            opened.weights[place] -= weight
