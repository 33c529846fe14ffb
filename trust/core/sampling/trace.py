"""A draw retraced without the state: the agents that were picked, and those that were passed over (docs/rules.md
6).

Whether an agent may sit depends on the whole state. The order in which the draw comes upon agents does not: it follows
from the beta, the sealed pool and its heavy owners alone. So a panel is right when the draw comes upon its seats and
alternates in their order, and all that has to be believed, or audited, is why the agents between them may not sit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy

from trust.core.sampling.draw import Picker, Stream
from trust.core.sampling.sumtree import Get, Root, Slot


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
) -> tuple[str, ...]:
    """The agents that were passed over on the way to a panel's seats and alternates, in the draw's order.

    Who was passed over after the last of them is not seen from the seats, but it moves the stream where the pool had
    nobody more: what follows the panel, its items, must hold (`holds`, on a copy). Raises NotDrawn, and BadNode or
    KeyError where `get` fails.
    """
    picker = Picker(root, get, stream, heavy)
    passed: list[str] = []
    for wanted in (*seated, *alternates):
        if not _picks(picker, wanted, passed):
            raise NotDrawn(f"the draw does not lead to {wanted}")
    if len(alternates) < len(seated):
        _picks(picker, "", passed)  # the panel's draw looked for one more
    if not holds(copy(stream)):
        raise NotDrawn("the draw does not lead to these items")
    return tuple(passed)


def _picks(picker: Picker, wanted: str, passed: list[str]) -> bool:
    def accept(slot: Slot) -> bool:
        if slot.id != wanted:
            passed.append(slot.id)
        return slot.id == wanted

    return picker.pick(accept) is not None
