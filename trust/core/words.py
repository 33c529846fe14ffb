"""Entries in words, for people. The events themselves stand beside the sentences wherever they go."""

from __future__ import annotations

import re

from trust.core.entry import Entry

_LONG = re.compile(
    r"(?:agent/)?did:key:z[1-9A-HJ-NP-Za-km-z]{20,}|(?<=\b[a-z]{3}_)[a-z2-7]{26}\b|(?<=seat_)[a-z2-7]{26}\b"
)
_SHOWN = 6


def sentences(kind: str, entry: Entry) -> list[str]:
    """Returns the sentences of an entry's events; `kind` is that of its command."""
    return [short(event.sentence()) for event in entry.events] or [f"{kind}: nothing else changed."]


def short(text: str) -> str:
    """The text with DIDs and ids shortened to the end that tells them apart."""
    return _LONG.sub(lambda match: f"..{match[0][-_SHOWN:]}", text)
