"""One strict JSON reader for everything that comes from outside: bytes in, a typed value or `Malformed` out.

What JSON leaves open (RFC 8259 sections 4, 6, 8.1) is refused here, because two readers could disagree on it:
- bytes that are not UTF-8, a byte order mark, lone surrogates;
- duplicate keys at any depth, unknown fields, wrong types, anything after the value;
- fractions, exponents, NaN and infinities anywhere, integers outside +-(2^53-1);
- containers nested deeper than 16, and more bytes than the caller allows.

msgspec does the decoding. A text that re-encodes to itself has no duplicate keys, and what else its shape keeps out
it does not have either. Any other text is read a second time, so the common compact form costs one decode, one encode
and one comparison.
"""

from __future__ import annotations

import json
import re
from binascii import a2b_base64, b2a_base64
from collections import Counter
from functools import lru_cache
from typing import Any, TypeVar, overload

import msgspec

MAX_DEPTH = 16
MAX_INTEGER = 2**53 - 1

_BOM = b"\xef\xbb\xbf"
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NOT_INTEGER = re.compile(rb"[.]|[0-9][eE]")
_LONG_INTEGER = re.compile(rb"[0-9]{16,}")
_BOUND = re.compile(r"\b[gl]e=(-?\w+)")
_HEX32 = re.compile(r"[0-9a-f]{64}")
_encode = msgspec.json.Encoder().encode

T = TypeVar("T")


class Malformed(ValueError):
    """Bytes that are not what they must be. `code` is the problem code of the protocol, the text says why."""

    def __init__(self, reason: str, code: str = "malformed") -> None:
        super().__init__(reason)
        self.code = code


@overload
def parse(data: bytes, shape: type[T], *, max_bytes: int) -> T: ...
@overload
def parse(data: bytes, shape: Any, *, max_bytes: int) -> Any: ...
def parse(data: bytes, shape: Any, *, max_bytes: int) -> Any:
    """The value of a JSON text as `shape`, whose structs forbid unknown fields and hold no `msgspec.Raw`.

    Raises `Malformed` and nothing else, with code `too-large` over `max_bytes` and `malformed` otherwise.
    """
    if len(data) > max_bytes:
        raise Malformed(f"{len(data)} bytes, at most {max_bytes} are allowed", "too-large")
    value = _decode(data, shape)
    compact = _encode(value) == data
    if compact and _is_closed(shape):
        return value
    _check_structure(_outside_strings(data))
    if not compact:
        _check_duplicates(data)
    return value


def b64(text: str, length: int | None = None) -> bytes:
    """The bytes of canonical standard base64 (RFC 4648 section 4), exactly `length` where given."""
    try:
        raw = a2b_base64(text)
    except ValueError as error:
        raise Malformed(f"not base64: {error}") from None
    if b2a_base64(raw, newline=False) != text.encode("ascii"):
        raise Malformed("not canonical base64")
    if length is not None and len(raw) != length:
        raise Malformed(f"{len(raw)} bytes in base64, expected {length}")
    return raw


def base64_of(data: bytes) -> str:
    """The canonical base64 that `b64` reads."""
    return b2a_base64(data, newline=False).decode("ascii")


def hex32(text: str) -> bytes:
    """The 32 bytes of 64 lower-case hexadecimal digits."""
    if not _HEX32.fullmatch(text):
        raise Malformed("not 64 lower-case hexadecimal digits")
    return bytes.fromhex(text)


@lru_cache(maxsize=256)
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    if "RawType" in repr(msgspec.inspect.type_info(shape)):
        raise TypeError("msgspec.Raw would be kept without being checked")
    return msgspec.json.Decoder(shape)


@lru_cache(maxsize=256)
def _is_closed(shape: Any) -> bool:
    """Returns whether a shape's types alone keep fractions, depth and long integers out."""
    described = repr(msgspec.inspect.type_info(shape))
    bounds = _BOUND.findall(described)
    bounded = all(bound != "None" and abs(int(bound)) <= MAX_INTEGER for bound in bounds)
    return bounded and not any(word in described for word in ("AnyType", "FloatType", "DecimalType", "..."))


def _decode(data: bytes, shape: Any) -> Any:
    decoder = _decoder(shape)
    try:
        if not data.isascii():
            data.decode("utf-8")
        return decoder.decode(data)
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise Malformed(f"nested deeper than {MAX_DEPTH}") from None
    except (msgspec.MsgspecError, ValueError, OverflowError) as error:
        reason = "a byte order mark" if data.startswith(_BOM) else str(error)
        raise Malformed(reason) from None


def _outside_strings(data: bytes) -> bytes:
    """A valid JSON text without its strings: brackets, commas, colons, numbers, literals."""
    if b"\\" in data:
        return _STRING.sub(b"", data)
    return b"".join(data.split(b'"')[::2])


def _check_structure(outside: bytes) -> None:
    if outside.count(b"{") + outside.count(b"[") > MAX_DEPTH and _depth(outside) > MAX_DEPTH:
        raise Malformed(f"nested deeper than {MAX_DEPTH}")
    if _NOT_INTEGER.search(outside):
        raise Malformed("a number with a fraction or an exponent")
    for digits in _LONG_INTEGER.findall(outside):
        if len(digits) > len(str(MAX_INTEGER)) or int(digits) > MAX_INTEGER:
            raise Malformed("an integer outside +-(2^53-1)")


def _depth(outside: bytes) -> int:
    deepest = depth = 0
    for byte in outside:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _check_duplicates(data: bytes) -> None:
    json.loads(data.decode("utf-8"), object_pairs_hook=_unique_keys)


def _unique_keys(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise Malformed(f"the key {twice!r} more than once in one object")
