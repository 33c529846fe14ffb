"""Text of strangers as it may be shown: nothing in it moves a cursor, changes a title, or turns the writing round.

Whoever writes an answer, a name or a reason also writes to the terminal of whoever reads it. What has no picture of
its own, or changes that of other characters, is shown by its number instead: controls (escape sequences begin with
one), line ends inside of a value, marks of direction, invisible characters, and what no font has.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import MutableMapping
from typing import Any

_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLAIN = re.compile(r"[ -~]*")


def escaped(text: str) -> str:
    """The text on one line, each character that could do more than be read as `\\x1b`, `\\u202e` or `\\U000e0041`."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(_shown(each) for each in text)


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _UNSHOWN:
        return character
    number = ord(character)
    if number < 0x100:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character, f"\\x{number:02x}")
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def escaped_event(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A line of a log whose texts are escaped (a structlog processor); a traceback keeps its lines."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = (
                "\n".join(map(escaped, value.split("\n"))) if name == "exception" else escaped(value)
            )
        elif not isinstance(value, bool | int | float | None):
            event[name] = escaped(str(value))
    return event
