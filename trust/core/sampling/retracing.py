"""A draw followed again without the state: who was picked, who was passed over (docs/rules.md 6).

Whether an agent may sit depends on the whole state. The order in which the draw comes upon agents does not: it follows
from the beta, the sealed pool and its heavy owners alone. So a panel is right when the draw comes upon its seats and
alternates in their order, and all that has to be believed, or audited, is why the agents between them may not sit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy

import msgspec

from trust.core.sampling.draw import Picker, Stream
from trust.core.sampling.sumtree import Get, Root, Slot


class Traced(msgspec.Struct, frozen=True):
    """The agents that were passed over, in the draw's order, and those of them who were seated late, when nobody else
    was left."""

    passed: tuple[str, ...]
    late: tuple[str, ...]


class NotDrawn(ValueError):
    """A panel that the draw does not lead to."""


def retrace(
    root: Root,
    heavy: Mapping[str, int],
    get: Get,
    stream: Stream,
    seated: Sequence[str],
    alternates: Sequence[str],
    holds: Callable[[Stream], bool],
) -> Traced:
    """The agents that were passed over on the way to a panel's seats and alternates.

    Agents of the worker's last checks are taken when nobody else is left, in the order in which they were passed over.
    Whether somebody was is not always seen from the seats, but it moves the stream: so what follows the panel, its
    items, must hold (`holds`, on a copy) where the seats leave the stream, or where the whole pool does. Raises
    NotDrawn, and BadNode or KeyError where `get` fails.
    """
    picker = Picker(root, get, stream, heavy)
    passed: list[str] = []
    late: list[str] = []
    turn = 0
    for wanted in (*seated, *alternates):
        if not _found(picker, wanted, passed):
            if wanted not in passed[turn:]:
                raise NotDrawn(f"the draw does not lead to {wanted}")
            turn = passed.index(wanted, turn) + 1
            late.append(wanted)
    if len(alternates) < len(seated):
        _found(picker, "", passed)  # the panel's draw looked for one more
    if not holds(copy(stream)):
        _found(picker, "", [])
        if not holds(copy(stream)):
            raise NotDrawn("the draw does not lead to these items")
    return Traced(tuple(passed), tuple(late))


def _found(picker: Picker, wanted: str, passed: list[str]) -> bool:
    def accept(slot: Slot) -> bool:
        if slot.id != wanted:
            passed.append(slot.id)
        return slot.id == wanted

    return picker.pick(accept) is not None
