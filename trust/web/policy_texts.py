"""The numbers of a policy with what they mean: the texts of the table that is shipped with the profiles."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from trust.settings import shipped

_SECTION = re.compile(r"^## \[([a-z_]+)\]$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `([a-z_]+)` \|(.*)\|$", re.MULTILINE)
_MARKS = re.compile(r"[`*]")


class Number(NamedTuple):
    """One number: its value, what it is and why, and what goes wrong when it is larger or smaller."""

    name: str
    value: str
    meaning: str
    effects: str


class Section(NamedTuple):
    """The numbers of one section, and what they are about."""

    name: str
    about: str
    numbers: list[Number]


def explained(terms: dict[str, Any]) -> list[Section]:
    """A policy's sections; a number that the table does not know has no text."""
    texts = _texts()
    return [
        Section(
            name,
            texts.get((name, ""), ("", ""))[0],
            [
                Number(field, _shown(field, value), *texts.get((name, field), ("", "")))
                for field, value in values.items()
            ],
        )
        for name, values in terms.items()
        if isinstance(values, dict)
    ]


def _shown(field: str, value: Any) -> str:
    """A value as a person reads it, after the unit that its name ends with."""
    from trust.core.rate import percent
    from trust.web.words import span, units

    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    if not isinstance(value, int) or isinstance(value, bool):
        return str(value)
    if field.endswith("_ms"):
        return span(value)
    if field.endswith("_ppm"):
        return percent(value)
    return units(value)


@lru_cache(maxsize=1)
def _texts() -> dict[tuple[str, str], tuple[str, str]]:
    """Meaning and effects by section and name; a section's own text has no name."""
    file = shipped("policies") / "README.md"
    texts: dict[tuple[str, str], tuple[str, str]] = {}
    for section, body in _SECTION.findall(file.read_text(encoding="utf-8")) if file.exists() else ():
        texts[section, ""] = (_plain(body.partition("\n|")[0]), "")
        for name, cells in _ROW.findall(body):
            parts = [_plain(cell) for cell in cells.split("|")]
            texts[section, name] = (parts[-2], parts[-1]) if len(parts) > 1 else (parts[-1], "")
    return texts


def _plain(text: str) -> str:
    return _MARKS.sub("", " ".join(text.split()))
