"""Which rules number brought which change: an append-only table (docs/protocol.md 3, Versions).

A fix that changes any decision is a new change here, in force from the entry that makes its rules number effective;
code asks `has`. Logs written before it then still replay to the byte.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import msgspec

from trust.core.entry import FORMAT, OtherRelease, release_for
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


class _Versions(msgspec.Struct):
    format: int
    rules: int


class _FirstCommand(msgspec.Struct):
    genesis: _Versions | None = None


class _First(msgspec.Struct):
    command: _FirstCommand


_decode_first = msgspec.json.Decoder(_First).decode


def check_release(data: bytes) -> None:
    """OtherRelease where an entry is a genesis that needs another release, even one with fields unknown here."""
    try:
        genesis = _decode_first(data).command.genesis
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    if genesis is not None and (genesis.format != FORMAT or genesis.rules not in KNOWN):
        raise OtherRelease(
            f"this log has format {genesis.format} and rules {genesis.rules}: {release_for(genesis.rules)}"
        )


def has(view: View, change: Change) -> bool:
    """Returns whether a change is in force in this state."""
    network = view.get(Network, NETWORK)
    return network is not None and network.rules >= CHANGES[change].rules
