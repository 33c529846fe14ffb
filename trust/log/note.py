"""C2SP signed-note and tlog-cosignature: text that one or more keys signed, and the keys' own text forms.

- A note is a text that ends in a newline, an empty line, and 1 to 100 lines `— name base64(id || signature)`.
  It is UTF-8 without control characters other than the newline, and at most 1 MiB; base64 is canonical.
- A key is its name, its type and its bytes: 0x01 signs the text (Ed25519, 32 bytes), 0x04 signs `cosignature/v1`, the
  time and the text, 0x06 (ML-DSA-44, 1,312 bytes; only verified here) signs the witness's name, the time, and the
  checkpoint's origin, size and root. Its id is SHA-256(name || LF || type || public key)[:4].
- Opening follows golang.org/x/mod/sumdb/note: lines of unknown keys are set aside, the first line of a known
  key decides and a bad one refuses the whole note, later lines of the same key are dropped.
- Keys come from the caller, never from the note.
"""

from __future__ import annotations

import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from trust.log import ed25519, mldsa

ED25519 = 0x01
COSIGNATURE_V1 = 0x04
COSIGNATURE_MLDSA = 0x06
COSIGNATURES = {COSIGNATURE_V1: ed25519.SIGNATURE_BYTES, COSIGNATURE_MLDSA: mldsa.SIGNATURE_BYTES}
"""The types of keys that witnesses have, and how many bytes follow the time in what they sign."""
KEY_ID_BYTES = 4
MAX_SIGNATURES = 100
MAX_NOTE_BYTES = 2**20
MAX_TIME_S = 2**63 - 1
_TIME_BYTES = 8
_DASH = "\N{EM DASH} "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")


class NoteError(ValueError):
    """A note, signature or key that is malformed, or a note that no known key signed."""


def decode_base64(text: str) -> bytes:
    """The bytes of standard, padded, canonical base64 (RFC 4648, 4); ValueError for any other spelling."""
    raw = binascii.a2b_base64(text)
    if encode_base64(raw) != text:
        raise ValueError(f"not canonical base64: {text[:60]!r}")
    return raw


def encode_base64(raw: bytes) -> str:
    """Standard padded base64, without a newline."""
    return binascii.b2a_base64(raw, newline=False).decode()


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line. `blob` is what follows the key id; `time_s` is set when a cosignature verifies."""

    name: str
    key_id: bytes
    blob: bytes
    time_s: int | None = None

    def __str__(self) -> str:
        """The line with its newline."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.blob)}\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """A line without its newline."""
        name, _, text = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not _is_name(name):
            raise NoteError(f"not a signature line: {line[:80]!r}")
        raw = _note_base64(text)
        if len(raw) <= KEY_ID_BYTES:
            raise NoteError(f"the signature of {name} is empty")
        return cls(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key that the caller trusts. `str()` and `parse()`: its vkey, name+id+base64(type || key)."""

    name: str
    public_key: bytes
    key_type: int = ED25519
    key_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        _check_key(self.name, self.key_type)
        if self.key_type == COSIGNATURE_MLDSA:
            if len(self.public_key) != mldsa.KEY_BYTES:
                raise NoteError(f"the key of {self.name} is not an ML-DSA-44 public key")
        elif not ed25519.is_valid_key(self.public_key):
            raise NoteError(f"the key of {self.name} is not an Ed25519 public key")
        object.__setattr__(self, "key_id", _key_id(self.name, self.key_type, self.public_key))

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.key_type]) + self.public_key)}"

    @classmethod
    def parse(cls, vkey: str) -> Self:
        """The key of a vkey; its id must be the one that its name and key give."""
        name, key_id, key_type, key = _split_key(vkey)
        verifier = cls(name, key, key_type)
        _check_key_id(verifier, key_id)
        return verifier

    def check(self, text: str, signature: Signature) -> Signature:
        """The signature, verified over `text`, with its time where it is a cosignature. Raises NoteError."""
        blob, time_s = signature.blob, None
        if self.key_type in COSIGNATURES:
            time_s, blob = int.from_bytes(blob[:_TIME_BYTES], "big"), blob[_TIME_BYTES:]
        if (time_s or 0) > MAX_TIME_S or not self._is_signed(text, time_s, blob):
            raise NoteError(f"the signature of {self.name} does not verify")
        return replace(signature, time_s=time_s)

    def _is_signed(self, text: str, time_s: int | None, signature: bytes) -> bool:
        if self.key_type != COSIGNATURE_MLDSA:
            return ed25519.verify(self.public_key, _signed_bytes(text, time_s), signature)
        if not time_s:
            raise NoteError(f"{self.name} does not say when this was the largest tree that it had seen")
        return mldsa.verify(self.public_key, subtree_message(self.name, time_s, text), signature)


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key: a 32-byte seed, or one that is elsewhere.

    `skey()` and `parse()`: PRIVATE+KEY+name+hex id+base64(type || seed).
    """

    name: str
    seed: ed25519.PrivateKey = field(repr=False)
    key_type: int = ED25519
    verifier: Verifier = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.key_type == COSIGNATURE_MLDSA:
            raise NoteError(f"{self.name}: nothing is signed here with keys of type 0x06")
        if isinstance(self.seed, bytes) and len(self.seed) != ed25519.KEY_BYTES:
            raise NoteError(f"the seed of {self.name} is not {ed25519.KEY_BYTES} bytes")
        verifier = Verifier(self.name, ed25519.public_key(self.seed), self.key_type)
        object.__setattr__(self, "verifier", verifier)

    def skey(self) -> str:
        """The private key as text: keep it secret."""
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{self._key_text()}"

    def _key_text(self) -> str:
        if not isinstance(self.seed, bytes):
            raise NoteError(f"the key of {self.name} is elsewhere")
        return encode_base64(bytes([self.key_type]) + self.seed)

    @classmethod
    def parse(cls, skey: str) -> Self:
        """The key of an skey; its id must be the one that its name and public key give."""
        if not skey.startswith("PRIVATE+KEY+"):
            raise NoteError("not a private note key")
        name, key_id, key_type, seed = _split_key(skey.removeprefix("PRIVATE+KEY+"))
        signer = cls(name, seed, key_type)
        _check_key_id(signer.verifier, key_id)
        return signer

    def sign(self, text: str, time_s: int | None = None) -> Signature:
        """The signature of a note's text; a cosignature needs the POSIX time in seconds, others ignore it."""
        _check_text(text)
        if self.key_type == ED25519:
            return Signature(
                self.name, self.verifier.key_id, ed25519.sign(self.seed, _signed_bytes(text, None))
            )
        if time_s is None or not 0 <= time_s <= MAX_TIME_S:
            raise NoteError("a cosignature needs its time in seconds")
        blob = time_s.to_bytes(_TIME_BYTES, "big") + ed25519.sign(self.seed, _signed_bytes(text, time_s))
        return Signature(self.name, self.verifier.key_id, blob, time_s)


@dataclass(frozen=True, slots=True)
class Note:
    """An opened note: its text, the signatures of known keys (at least one), and the lines of other keys."""

    text: str
    verified: tuple[Signature, ...]
    unverified: tuple[Signature, ...]


def sign_note(text: str, *signers: Signer, time_s: int | None = None) -> bytes:
    """The note of a text, signed by each signer in order."""
    return _serialise(text, [signer.sign(text, time_s) for signer in signers])


def parse_note(note: bytes) -> tuple[str, list[Signature]]:
    """Text and signature lines of a note, nothing verified."""
    if len(note) > MAX_NOTE_BYTES:
        raise NoteError(f"the note is longer than {MAX_NOTE_BYTES} bytes")
    try:
        whole = note.decode()
    except UnicodeDecodeError as error:
        raise NoteError("the note is not UTF-8") from error
    text, blank, block = whole.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise NoteError("the note has no text and signatures with an empty line between them")
    _check_text(text + "\n")
    lines = block.removesuffix("\n").split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"the note has more than {MAX_SIGNATURES} signatures")
    return text + "\n", [Signature.parse(line) for line in lines]


def open_note(note: bytes, verifiers: Sequence[Verifier]) -> Note:
    """The note, where at least one of the verifiers signed it and none of those it names refuses its line."""
    text, signatures = parse_note(note)
    known = _by_identity(verifiers)
    verified: dict[tuple[str, bytes], Signature] = {}
    unverified: dict[Signature, None] = {}
    for signature in signatures:
        identity = signature.name, signature.key_id
        if identity not in known:
            unverified[signature] = None
        elif identity not in verified:
            verified[identity] = known[identity].check(text, signature)
    if not verified:
        raise NoteError("no known key signed the note")
    return Note(text, tuple(verified.values()), tuple(unverified))


def add_signatures(note: bytes, signatures: Iterable[Signature]) -> bytes:
    """The note with more signature lines at its end; those of keys that it has already are left out."""
    text, lines = parse_note(note)
    for signature in signatures:
        if all((line.name, line.key_id) != (signature.name, signature.key_id) for line in lines):
            lines.append(signature)
    return _serialise(text, lines)


def _serialise(text: str, signatures: Sequence[Signature]) -> bytes:
    _check_text(text)
    if not 1 <= len(signatures) <= MAX_SIGNATURES:
        raise NoteError(f"a note has 1 to {MAX_SIGNATURES} signatures, not {len(signatures)}")
    note = f"{text}\n{''.join(map(str, signatures))}".encode()
    if len(note) > MAX_NOTE_BYTES:
        raise NoteError(f"the note would be longer than {MAX_NOTE_BYTES} bytes")
    return note


def subtree_message(cosigner: str, time_s: int, text: str) -> bytes:
    """Returns the bytes that an ML-DSA-44 witness signs of a checkpoint's text. NoteError where that is none."""
    origin, size, root = [*text.split("\n")[:3], "", "", ""][:3]
    names = cosigner.encode(), origin.encode()
    try:
        end, hashed = (
            int(size) if size.isascii() and size.isdigit() and len(size) < 20 else -1,
            decode_base64(root),
        )
    except ValueError:
        end, hashed = -1, b""
    if not 0 <= end <= MAX_TIME_S or len(hashed) != 32 or not all(1 <= len(name) <= 255 for name in names):
        raise NoteError("such a witness signs checkpoints only, and names of 1 to 255 bytes")
    name, log = (bytes([len(each)]) + each for each in names)
    time, start, until = (number.to_bytes(8, "big") for number in (time_s, 0, end))
    return b"subtree/v1\n\0" + name + time + log + start + until + hashed


def _signed_bytes(text: str, time_s: int | None) -> bytes:
    return (text if time_s is None else f"cosignature/v1\ntime {time_s}\n{text}").encode()


def _by_identity(verifiers: Iterable[Verifier]) -> dict[tuple[str, bytes], Verifier]:
    known: dict[tuple[str, bytes], Verifier] = {}
    for verifier in verifiers:
        if known.setdefault((verifier.name, verifier.key_id), verifier) != verifier:
            raise NoteError(f"two known keys share the name {verifier.name} and an id")
    return known


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(map(str.isspace, name)) and not _CONTROL.search(name)


def _check_key(name: str, key_type: int) -> None:
    if not _is_name(name):
        raise NoteError(f"not a key name: {name[:80]!r}")
    if key_type != ED25519 and key_type not in COSIGNATURES:
        raise NoteError(f"keys of type {key_type:#04x} are not supported, only 0x01, 0x04 and 0x06")


def _check_text(text: str) -> None:
    if not text.endswith("\n"):
        raise NoteError("a note's text ends in a newline")
    if _CONTROL.search(text):
        raise NoteError("the note has a control character other than newline")


def _check_key_id(verifier: Verifier, key_id: str) -> None:
    if verifier.key_id.hex() != key_id:
        raise NoteError(f"the key of {verifier.name} has the id {verifier.key_id.hex()}, not {key_id[:8]!r}")


def _key_id(name: str, key_type: int, public_key: bytes) -> bytes:
    return hashlib.sha256(f"{name}\n".encode() + bytes([key_type]) + public_key).digest()[:KEY_ID_BYTES]


def _split_key(text: str) -> tuple[str, str, int, bytes]:
    """Name, hex id, type and key bytes of a key's text form."""
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")
    raw = _note_base64(encoded)
    if not raw:
        raise NoteError("not a note key: name, hex id and base64 with a plus between them")
    return name, key_id, raw[0], raw[1:]


def _note_base64(text: str) -> bytes:
    try:
        return decode_base64(text)
    except ValueError as error:
        raise NoteError("a key or signature is not canonical base64") from error
