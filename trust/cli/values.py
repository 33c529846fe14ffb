"""Numbers that a person types: whole ones or an error, never rounded and never another number than was typed.

Amounts are in units, counts and places in ones, shares in millionths (ppm), times a whole number and its unit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

from trust.cli.failures import Usage

MOST = 2**53 - 1
"""The largest number that every JSON reader gets right, so the largest that a statement may carry."""
WHOLE_SHARE = 1_000_000
_DIGITS = re.compile(r"[0-9]{1,16}")
_DURATION = re.compile(r"([0-9]{1,12})(ms|s|m|h|d)")
_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def whole(text: str, what: str, least: int, most: int = MOST, where: str = "") -> int:
    """The whole number that a text is, from `least` to `most`; `Usage`, in the words `what`, for any other text."""
    number = int(text) if _DIGITS.fullmatch(text) else None
    if number is None or not least <= number <= most:
        upper = "or more" if most == MOST else f"to {most}"
        raise Usage(f"{where}{text!r} is no {what}: write a whole number, {least} {upper}, digits only")
    return number


def duration_ms(text: str) -> int:
    """Milliseconds of a text such as `90s`, `15m`, `2h`, `3d`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise Usage(f"{text!r} is no duration: write a whole number and ms, s, m, h or d, such as 90s or 2h")
    return int(match[1]) * _UNITS_MS[match[2]]


def _number(what: str, least: int, most: int = MOST) -> Parameter:
    """How a parameter becomes a whole number; also each element of a list of them."""

    def convert(_: Any, tokens: Sequence[Token]) -> int:
        token = tokens[0]
        option = f"{token.keyword}: " if token.keyword else ""
        return whole(token.value, what, least, most, option)

    return Parameter(converter=convert)


Amount = Annotated[int, _number("amount of units", 1)]
Units = Annotated[int, _number("amount of units", 0)]
Count = Annotated[int, _number("count", 1)]
Place = Annotated[int, _number("number", 0)]
Share = Annotated[int, _number("share in millionths, such as 50000 for 5 %", 0, WHOLE_SHARE)]
Percent = Annotated[int, _number("percentage", 0, 100)]
Port = Annotated[int, _number("port", 0, 65_535)]
