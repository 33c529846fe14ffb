"""Entries: one command and its events, and their exact bytes (docs/protocol.md 3).

`{"v":1,"at_ms":...,"command":{...},"events":[...]}` in UTF-8: keys in the order of the schema, no spaces, no floats.
The oracle for the bytes is `json.dumps(separators=(",", ":"))` of what they parse to.
"""

from __future__ import annotations

import base64
import hashlib
from typing import get_args

import msgspec

from trust.core.envelope import Envelope
from trust.core.events import Event, Events
from trust.core.payloads import Ms
from trust.core.policy import Policy

FORMAT = 1
MAX_ENTRY_BYTES = 65_535
MAX_CLOCK_ITEMS = 32


class Genesis(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Entry 0: who this log is, and the constants that no later entry changes. Keys are DIDs."""

    format: int
    network: str
    rules: int
    log_key: str
    draw_key: str
    operator: str
    policy: Policy
    slow_half_life_ms: int
    fast_half_life_ms: int
    t0_ms: int


class Beacon(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A VRF proof, of the draw key or of a beacon: `pi` (hex, 80 bytes) and output `beta` (hex, 64 bytes), RFC 9381."""

    key: str
    pi: str
    beta: str


class Draw(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename={"of": "for"}):
    """The randomness for claim/round `of`."""

    of: str
    beacons: tuple[Beacon, ...]
    checkpoint: str = ""


class Seal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The sum tree of pool `of` as of the entry that began its epoch: `members` of its `count` slots weigh anything and
    belong to `owners`; `heavy` are owners over a tenth of the total."""

    of: str
    epoch: int
    as_of: int
    root: str
    count: int
    total: int
    heavy: tuple[tuple[str, int], ...]
    members: int
    owners: int


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The command that caused an entry: exactly one of these."""

    genesis: Genesis | None = None
    statement: Envelope | None = None
    clock: tuple[str, ...] | None = None
    draw: Draw | None = None
    seal: Seal | None = None


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    v: int
    at_ms: int
    command: Command
    events: tuple[Events, ...]


class Header(msgspec.Struct, frozen=True):
    """An entry without its events."""

    v: int
    at_ms: Ms
    command: Command


class InvalidEntry(ValueError):
    """Bytes that are no entry of this format."""


class OtherRelease(InvalidEntry):
    """An entry with a format, rules or an event that this release does not know: nothing can be said about it here."""


FORMER_RULES = {1: "0.1"}
"""The last release that decides by rules which this one has no more; no network ran on them."""


class _Named(msgspec.Struct):
    kind: str


class _PeekedGenesis(msgspec.Struct):
    rules: int


class _PeekedCommand(msgspec.Struct):
    genesis: _PeekedGenesis | None = None


class _Peeked(msgspec.Struct):
    v: int
    command: _PeekedCommand
    events: tuple[_Named, ...]


_encoder = msgspec.json.Encoder()
_entry_decoder = msgspec.json.Decoder(Entry)
_peek = msgspec.json.Decoder(_Peeked).decode
_KNOWN_EVENTS = frozenset(kind.__struct_config__.tag for kind in get_args(Events))


def encode_command(command: Command) -> bytes:
    """The bytes of a command as they stand in its entry."""
    return _encoder.encode(command)


def encode_entry(at_ms: int, command: bytes, events: list[Event]) -> bytes:
    """The bytes of an entry from the bytes of its command."""
    return b'{"v":1,"at_ms":%d,"command":%b,"events":%b}' % (at_ms, command, _encoder.encode(events))


def size_of_event(event: Event) -> int:
    """How many bytes an event takes in an entry, without the comma before it."""
    return len(_encoder.encode(event))


def decode_entry(data: bytes) -> Entry:
    """An entry from its bytes; InvalidEntry where they are not canonical or not of this format."""
    try:
        entry = _entry_decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _check_known(data)
        raise InvalidEntry(str(error)) from error
    if entry.v != FORMAT:
        raise OtherRelease(f"entry format {entry.v}; this release reads {FORMAT}; needs a newer trust")
    kind_of_command(entry.command)
    return entry


def kind_of_command(command: Command) -> str:
    """Returns the kind of a command: genesis, statement, clock, draw or seal; InvalidEntry where it is not exactly
    one."""
    named = [name for name in Command.__struct_fields__ if getattr(command, name) is not None]
    if len(named) != 1:
        raise InvalidEntry(f"an entry has exactly one command, not {len(named)}")
    return named[0]


def _check_known(data: bytes) -> None:
    """OtherRelease where bytes that cannot be decoded name what another release may know."""
    try:
        peeked = _peek(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return
    if peeked.command.genesis is not None and peeked.command.genesis.rules in FORMER_RULES:
        raise OtherRelease(release_for(peeked.command.genesis.rules))
    if peeked.v > FORMAT:
        raise OtherRelease(f"entry format {peeked.v}; this release reads {FORMAT}; needs a newer trust")
    for event in peeked.events:
        if event.kind not in _KNOWN_EVENTS:
            raise OtherRelease(f"this release knows no event {event.kind[:80]!r}; needs a newer trust")


def release_for(rules: int) -> str:
    """Returns which release a log of these rules needs, in words, where this one does not know them."""
    former = FORMER_RULES.get(rules)
    return f"a log of rules {rules} needs " + (f"trust {former}" if former else "a newer trust")


def derive_id(prefix: str, command: bytes, index: int, serial: int) -> str:
    """The id of the `serial`-th thing that an entry creates: `prefix` and 26 characters of base32.

    The first eight are the entry's index and the rest are 90 bits of a digest: what is made together lies together
    in every table and index, so that a write costs the same however long the log is.
    """
    digest = hashlib.sha256(command).digest()
    seed = b"trust/id/v1\n%b\n%b%d\n%d\n" % (prefix.encode(), digest, index, serial)
    raw = index.to_bytes(5) + hashlib.sha256(seed).digest()[:12]
    return prefix + base64.b32encode(raw).decode()[:26].lower()
