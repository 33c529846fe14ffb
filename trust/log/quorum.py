"""C2SP tlog-policy: which witnesses there are, and how many of them must have seen a checkpoint before it counts.

One line each, words parted by spaces and tabs and by nothing else; a line that begins with `#` is a comment:

    log <vkey> [<url>]                         for others: whoever verifies brings the log's key
    witness <name> <vkey> [<url>]              a key of type 0x04 (Ed25519) or 0x06 (ML-DSA-44)
    group <name> <number|any|all> <member>...  holds when that many of its members do
    quorum <name|none>                         exactly once

A name is defined once and before it is used. A key stands under one name only, and nothing is a member twice: one
cosignature never counts as two.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from trust.log.checkpoint import Checkpoint
from trust.log.note import COSIGNATURES, NoteError, Signature, Verifier, parse_note
from trust.log.succession import LogKey, opened

MAX_WITNESSES = 16
"""So that a note with all cosignatures fits where one is needed; more parties than that nobody calls."""
MAX_LINES = 256
NONE = "none"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_BETWEEN = re.compile(r"[ \t]+")
Key = tuple[str, bytes]
"""A key's name and id, as a signature line has them."""


class PolicyError(ValueError):
    """Lines that are no policy; the message names the line."""


class QuorumMissing(ValueError):
    """A note that the log signed, and too few witnesses."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness as a policy calls it: its label there, its key, and the address where it is asked, if any."""

    label: str
    verifier: Verifier
    url: str = ""

    @property
    def key(self) -> Key:
        return self.verifier.name, self.verifier.key_id


@dataclass(frozen=True, slots=True)
class Quorum:
    """A parsed policy. `needed` names what has to hold: a witness, a group, or `none`."""

    witnesses: tuple[Witness, ...]
    groups: Mapping[str, tuple[int, tuple[str, ...]]]
    needed: str

    def is_met(self, cosigned: Collection[Key]) -> bool:
        """Returns whether the witnesses with these keys are enough."""
        holds = {witness.label: witness.key in cosigned for witness in self.witnesses} | {NONE: True}
        for name, (threshold, members) in self.groups.items():  # in the order of the lines: members first
            holds[name] = sum(holds[member] for member in members) >= threshold
        return holds[self.needed]

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        return tuple(witness.verifier for witness in self.witnesses)

    def summary(self, cosigned: Iterable[Signature]) -> str:
        """Returns how many of the witnesses cosigned, and which, in words for people."""
        keys = {(line.name, line.key_id) for line in cosigned}
        names = [witness.label for witness in self.witnesses if witness.key in keys]
        return f"{len(names)} of {len(self.witnesses)} witnesses: {', '.join(names) or 'nobody'}"


def lines_of(text: str) -> list[str]:
    """The lines of a policy's file: nothing but a newline parts them."""
    return text.removesuffix("\n").split("\n")


def words_of(lines: Iterable[str]) -> Iterator[list[str]]:
    """The words of each line that says something. Raises PolicyError."""
    for line in lines:
        if _CONTROL.search(line):
            raise PolicyError(f"a control character other than tab: {line[:80]!r}")
        words = [word for word in _BETWEEN.split(line) if word]
        if words and not words[0].startswith("#"):
            yield words


def parse_quorum(lines: Iterable[str]) -> Quorum:
    """The policy of these lines. Raises PolicyError, never another error."""
    return _parse(tuple(lines))


@lru_cache(maxsize=64)
def _parse(lines: tuple[str, ...]) -> Quorum:
    if len(lines) > MAX_LINES:
        raise PolicyError(f"a policy has at most {MAX_LINES} lines")
    parser = _Parser()
    for words in words_of(lines):
        try:
            parser.take(words)
        except NoteError as error:
            raise PolicyError(f"{' '.join(words)[:80]}: {error}") from error
    return parser.quorum()


class _Parser:
    def __init__(self) -> None:
        self._witnesses: list[Witness] = []
        self._groups: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._members: set[str] = set()
        self._needed = ""

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                Verifier.parse(vkey)
            case ["witness", name, vkey]:
                self._witness(name, vkey, "")
            case ["witness", name, vkey, url]:
                self._witness(name, vkey, url)
            case ["group", name, threshold, *members] if members:
                self._group(name, threshold, tuple(members))
            case ["quorum", name] if not self._needed:
                self._check_defined(name)
                self._needed = name
            case _:
                raise PolicyError(f"not a line of a policy: {' '.join(words)[:80]}")

    def _names(self) -> set[str]:
        return {NONE, *self._groups, *(witness.label for witness in self._witnesses)}

    def _check_new(self, name: str) -> None:
        if name in self._names():
            raise PolicyError(f"the name {name[:80]} is defined twice")

    def _check_defined(self, name: str) -> None:
        if name not in self._names():
            raise PolicyError(f"the name {name[:80]} is not defined before it is used")

    def _witness(self, name: str, vkey: str, url: str) -> None:
        self._check_new(name)
        verifier = Verifier.parse(vkey)
        if verifier.key_type not in COSIGNATURES:
            raise PolicyError(f"witness {name[:80]}: a witness has a key of type 0x04 or 0x06")
        if any(verifier.public_key == known.verifier.public_key for known in self._witnesses):
            raise PolicyError(f"witness {name[:80]}: its key is that of another witness")
        if len(self._witnesses) == MAX_WITNESSES:
            raise PolicyError(f"there are more than {MAX_WITNESSES} witnesses")
        self._witnesses.append(Witness(name, verifier, url))

    def _group(self, name: str, threshold: str, members: tuple[str, ...]) -> None:
        self._check_new(name)
        for member in members:
            self._check_defined(member)
            if member == NONE or member in self._members:
                raise PolicyError(f"group {name[:80]}: {member[:80]} may be a member once, and `none` never")
            self._members.add(member)
        count = {"any": "1", "all": str(len(members))}.get(threshold, threshold)
        if not (count.isascii() and count.isdigit() and len(count) < 4 and 1 <= int(count) <= len(members)):
            raise PolicyError(
                f"group {name[:80]}: {threshold[:20]} of {len(members)} members is no threshold"
            )
        self._groups[name] = int(count), members

    def quorum(self) -> Quorum:
        if not self._needed:
            raise PolicyError("the policy has no line `quorum`")
        return Quorum(tuple(self._witnesses), self._groups, self._needed)


def open_with_quorum(note: bytes, key: LogKey, quorum: Quorum) -> tuple[Checkpoint, tuple[Signature, ...]]:
    """The checkpoint, and the cosignatures that make the quorum.

    Raises QuorumMissing where they are not enough, NoteError or CheckpointError where the log did not sign.
    """
    return opened(note, key), cosigned_by(note, quorum)


def cosigned_by(note: bytes, quorum: Quorum) -> tuple[Signature, ...]:
    """The cosignatures that make the quorum, whoever else signed.

    Lines of a policy's witness that do not verify count as missing, so that nobody can spoil a note by adding one.
    Raises QuorumMissing where they are not enough, NoteError where it is no note.
    """
    good = cosignatures_of(note, quorum)
    if not quorum.is_met({(line.name, line.key_id) for line in good}):
        raise QuorumMissing(f"the quorum {quorum.needed} is missing: {quorum.summary(good)}")
    return good


def cosignatures_of(note: bytes, quorum: Quorum) -> tuple[Signature, ...]:
    """The cosignatures of the policy's witnesses that verify, one for each. Raises NoteError where it is no note."""
    text, lines = parse_note(note)
    good: dict[Key, Signature] = {}
    known = {witness.key: witness.verifier for witness in quorum.witnesses}
    for line in lines:
        key = line.name, line.key_id
        if key in known and key not in good:
            try:
                good[key] = known[key].check(text, line)
            except NoteError:
                continue
    return tuple(good.values())
