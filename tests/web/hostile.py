"""A log whose every text tries to be markup: an entry for each kind of statement, and one with every kind of event.

The texts are made from the types: whatever `str` may hold a character of markup, by its pattern, is markup, and the
rest is as short as it may be. Nothing decided these entries; pages show a log as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from re import _parser as patterns
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import inspect

from tests.services.statements import ORIGIN, Party
from trust.core import envelope, payloads
from trust.core.entry import Command, encode_command, encode_entry
from trust.core.events import Event
from trust.core.strict import base64_of
from trust.log import merkle
from trust.log.checkpoint import Checkpoint
from trust.log.note import Signer, sign_note
from trust.log.tiles import TreeEdge
from trust.services.genesis import HEAD_FILE
from trust.storage.engine import Database
from trust.storage.reading import reading
from trust.storage.unit import Head, StoredEntry, unit

MARKUP = "<>&'\""
ENVELOPES = frozenset({"evidence.submit.statements", "relay.attest.statement"})
"""Fields that hold signed statements: what these say lies in them as base64."""
WELL_FORMED = (
    "aa",
    "0" * 64,
    "clm_" + "a" * 26,
    Party("worker 0").did,
)
"""A text of each form that the patterns without markup ask for."""


DECIDED = {"claim.opened.route": "own", "allocation.failed.why": "nobody", "challenge.ended.how": "returned"}
"""Words of the rulebook itself, for which an event has a sentence of its own."""


def markup(place: str) -> str:
    """Text that would be elements, and that would run, with the name of the field that it stands in."""
    return f"'><svg/onload=ran('{place}')><b>{{{{7*7}}}}</b>&lt;i&gt;<!--"


def quoted(text: str) -> str:
    """Text as a part of a path or query."""
    return quote(text, safe="")


def admits_markup(pattern: str | None) -> bool:
    """True where a text that matches may hold a character that means something in HTML."""
    return pattern is None or any(_admits(part) for part in patterns.parse(pattern))


def _admits(part: Any) -> bool:
    """True where a part of a parsed pattern matches a character of markup; one that is not known here does."""
    operation, value = str(part[0]), part[1]
    if operation == "LITERAL":
        return chr(value) in MARKUP
    if operation == "RANGE":
        return any(value[0] <= ord(character) <= value[1] for character in MARKUP)
    if operation == "AT" or operation.startswith("ASSERT"):
        return False
    if operation == "IN":
        return str(value[0][0]) == "NEGATE" or any(map(_admits, value))
    if operation == "MAX_REPEAT":
        return any(map(_admits, value[2]))
    if operation == "SUBPATTERN":
        return any(map(_admits, value[3]))
    if operation == "BRANCH":
        return any(_admits(each) for branch in value[1] for each in branch)
    return True


def free_texts(kind: type[msgspec.Struct], name: str) -> Iterator[str]:
    """The fields of a type, and of the types in it, whose text may hold markup, each by its path."""
    for field in inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        yield from _free_in(field.type, f"{name}.{field.encode_name}")


def _free_in(shape: inspect.Type, path: str) -> Iterator[str]:
    if isinstance(shape, inspect.StrType):
        if admits_markup(shape.pattern):
            yield path
    elif isinstance(shape, inspect.StructType):
        for field in shape.fields:
            yield from _free_in(field.type, f"{path}.{field.encode_name}")
    elif isinstance(shape, inspect.UnionType):
        for each in shape.types:
            yield from _free_in(each, path)
    elif isinstance(shape, inspect.VarTupleType):
        yield from _free_in(shape.item_type, path)
    elif isinstance(shape, inspect.TupleType):
        for each in shape.item_types:
            yield from _free_in(each, path)


def example(shape: inspect.Type, path: str) -> Any:
    """A value of a type, as JSON has it, with markup in every text that may hold some."""
    if isinstance(shape, inspect.StrType):
        return _text(shape, path)
    if isinstance(shape, inspect.UnionType):
        return example(next(each for each in shape.types if not isinstance(each, inspect.NoneType)), path)
    if isinstance(shape, inspect.VarTupleType):
        return [example(shape.item_type, path)] * max(1, shape.min_length or 0)
    if isinstance(shape, inspect.TupleType):
        return [example(each, path) for each in shape.item_types]
    if isinstance(shape, inspect.StructType):
        return filled(shape.cls, path)
    if isinstance(shape, inspect.LiteralType):
        return shape.values[0]
    assert isinstance(shape, inspect.IntType | inspect.BoolType), (path, shape)
    return (shape.ge or 0) if isinstance(shape, inspect.IntType) else True


def _text(shape: inspect.StrType, path: str) -> str:
    if path in DECIDED:
        return DECIDED[path]
    if path in ENVELOPES:
        return envelope.encode(_said("output.submit")).decode()
    if admits_markup(shape.pattern):
        return markup(path)[: shape.max_length or None]
    return next(each for each in WELL_FORMED if re.search(shape.pattern or "", each))


def filled(kind: type[msgspec.Struct], path: str) -> Any:
    """A struct as JSON has it: its fields and its tag, or an array."""
    shape = inspect.type_info(kind)
    assert isinstance(shape, inspect.StructType)
    fields = {each.encode_name: example(each.type, f"{path}.{each.encode_name}") for each in shape.fields}
    if shape.array_like:
        return list(fields.values())
    return {shape.tag_field: shape.tag, **fields} if shape.tag_field else fields


def _said(name: str) -> envelope.Envelope:
    """A statement of a kind, which nobody signed."""
    kind = payloads.KINDS[name]
    payload = msgspec.convert(filled(kind, name), kind)
    signature = envelope.Signature(payload.actor, base64_of(bytes(64)))
    return envelope.Envelope(envelope.PAYLOAD_TYPE, base64_of(msgspec.json.encode(payload)), (signature,))


def entries() -> dict[str, bytes]:
    """The bytes of an entry for each kind of statement and of event, by its name."""
    made = {}
    for name in payloads.KINDS:
        made[name] = encode_entry(0, encode_command(Command(statement=_said(name))), [])
    for kind in Event.__subclasses__():
        name = str(kind.__struct_config__.tag)
        event = msgspec.convert(filled(kind, name), kind)
        made[name] = encode_entry(0, encode_command(Command(clock=())), [event])
    return made


def append(directory: Path, url: str) -> dict[str, int]:
    """Puts the entries behind a founded log that nobody serves, and signs its head; returns their indexes by name."""
    database, made = Database(url), entries()
    with reading(database) as reader:
        head = reader.head()
        edge = TreeEdge.load(head.size, reader.leaf_hashes, reader.tile)
    stored = [
        StoredEntry(index, head.at_ms, "clock", data, merkle.leaf_hash(data))
        for index, data in enumerate(made.values(), head.size)
    ]
    tiles = edge.append_many([each.leaf_hash for each in stored])
    note = sign_note(Checkpoint(ORIGIN, edge.size, edge.root()).body(), Signer(ORIGIN, Party("log").seed))
    with unit(database) as writing:
        writing.append(stored, tiles, Head(edge.size, head.at_ms, edge.root(), note))
    (directory / HEAD_FILE).write_bytes(note)
    database.close()
    return {name: each.index for name, each in zip(made, stored, strict=True)}
