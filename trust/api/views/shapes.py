"""Names from paths, checked before they reach the database, and records as JSON objects."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from trust.core import identity
from trust.core.records import Party, Record
from trust.errors import TrustError
from trust.services.scoring import resolve
from trust.storage.reading import Reader

R = TypeVar("R", bound=Record)

AGENT = re.compile(rf"{identity.PATTERN}|@[a-z0-9][a-z0-9-]{{1,31}}")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
ID = re.compile(r"[a-z]{3,4}_[a-z2-7]{26}")
HEX32 = re.compile(r"[0-9a-f]{64}")


def shown(record: Record, name: str, *hidden: str) -> dict[str, Any]:
    """A record's fields with its id under its own name; empty texts are null."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    renamed = {name: fields.pop("id")} | fields
    return {key: None if value == "" else value for key, value in renamed.items() if key not in hidden}


def find(reader: Reader, kind: type[R], id: str, pattern: re.Pattern[str]) -> R:
    """A record that a path names; TrustError `unknown-...` where there is none."""
    record = reader.record(kind, id) if pattern.fullmatch(id) else None
    if record is None:
        word = kind.__name__.lower()
        raise TrustError(f"unknown-{word}", f"there is no {word} {id[:80]!r} in this network")
    return record


def find_party(reader: Reader, name: str) -> Party:
    """The party of a DID or an @handle; TrustError `unknown-agent`."""
    party = resolve(reader, name) if AGENT.fullmatch(name) else None
    if party is None:
        raise TrustError("unknown-agent", f"there is no agent {name[:80]!r} in this network")
    return party


def page(name: str, items: list[dict[str, Any]], limit: int, *key: str) -> dict[str, Any]:
    """At most `limit` of the items, and where the list goes on: `after`, the key of the last, is null at its end.

    `items` has one more than the page where there are more.
    """
    kept = items[:limit]
    after = [kept[-1][part] for part in key] if len(items) > limit else [None]
    return {name: kept, "after": after[0] if len(after) == 1 else ".".join(map(str, after))}
