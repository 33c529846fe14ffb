"""Which rules number brought which change: an append-only table (docs/protocol.md 3, Versions).

A fix that changes any decision is a new change here, in force from the entry that makes its rules number effective;
code asks `has`. Logs written before it then still replay to the byte.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from trust.core.events import NETWORK
from trust.core.records import Network
from trust.core.state import View


class Change(Enum):
    """The name of each change to the rules."""

    FIRST_RULES = "first-rules"


class Since(NamedTuple):
    """From which rules number a change counts, and why it was made."""

    rules: int
    why: str


CHANGES: dict[Change, Since] = {
    Change.FIRST_RULES: Since(2, "the rules that the first released log was written by"),
}
KNOWN = frozenset(since.rules for since in CHANGES.values())


def has(view: View, change: Change) -> bool:
    """Returns whether a change is in force in this state."""
    network = view.get(Network, NETWORK)
    return network is not None and network.rules >= CHANGES[change].rules
