"""The owner's limits on a program: the rules of its TOML file, which no text of others can widen."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar, overload

import msgspec
from msgspec import Meta

from trust.core.payloads import MAX_INT, Did, Name, Units
from trust.errors import ClientError, Unusable

HOURS = re.compile(r"([01][0-9]|2[0-3])-([01][0-9]|2[0-4])")


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The tasks that a program may claim. Money is in units; `hours` are UTC, as "08-20" or over midnight "22-06";
    empty lists and texts allow everything."""

    kinds: Annotated[tuple[Name, ...], Meta(max_length=16)] = ()
    least_price_units: Units = 0
    most_stake_units: Units = MAX_INT
    requesters: tuple[Did, ...] = ()
    hours: str = ""
    at_once: Annotated[int, Meta(ge=1, le=256)] = 1

    def hindrance(self, task: Mapping[str, Any], at_ms: int) -> str:
        """Returns why the rules forbid a task, in words; "" where they allow it."""
        if self.kinds and task["task_kind"] not in self.kinds:
            return f"{task['task_kind']} is none of the kinds"
        if task["price_units"] < self.least_price_units:
            return f"its price of {task['price_units']} is below {self.least_price_units}"
        if task["stake_units"] > self.most_stake_units:
            return f"its stake of {task['stake_units']} is over {self.most_stake_units}"
        if self.requesters and task["requester"] not in self.requesters:
            return "its requester is none of those allowed"
        return "" if self._is_open(at_ms) else f"it is not within the hours {self.hours}"

    def _is_open(self, at_ms: int) -> bool:
        if not self.hours:
            return True
        start, end = map(int, self.hours.split("-"))
        hour = datetime.fromtimestamp(at_ms / 1_000, UTC).hour
        return start <= hour < end if start < end else hour >= start or hour < end


class Allowance(Rules, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The limits on a model that holds its owner's key. Money that is not named is not allowed: without a file none
    is spent.

    `most_per_day_units` is for stakes, bonds, prices and fees together, in any 24 hours.
    """

    most_stake_units: Units = 0
    most_price_units: Units = 0
    most_per_day_units: Units = 0
    may_withdraw: bool = False

    def check_post(self, task_kind: str, price_units: int) -> None:
        """`ClientError` beyond-limits where such a task may not be posted."""
        self.check_kind(task_kind)
        if price_units > self.most_price_units:
            raise beyond(f"a price of {price_units} is over {self.most_price_units}")

    def check_stake(self, units: int) -> None:
        """`ClientError` beyond-limits where so much may not be locked at once."""
        if units > self.most_stake_units:
            raise beyond(f"{units} units to lock are over {self.most_stake_units}")

    def check_withdrawal(self) -> None:
        """`ClientError` beyond-limits where the owner keeps withdrawals to itself."""
        if not self.may_withdraw:
            raise beyond("the owner has not allowed withdrawals (may_withdraw)")

    def check_kind(self, task_kind: str) -> None:
        """`ClientError` beyond-limits where the owner wants nothing to do with this kind of work."""
        if self.kinds and task_kind not in self.kinds:
            raise beyond(f"{task_kind} is none of the kinds {', '.join(self.kinds)}")


def beyond(why: str) -> ClientError:
    """Returns the error for an act that the owner does not allow; nothing was signed."""
    return ClientError(
        "beyond-limits",
        why,
        status=403,
        hint="nothing was signed; only the owner can change the limits, in the file given as --rules",
    )


R = TypeVar("R", bound=Rules)


@overload
def read_rules(path: Path | None) -> Rules: ...
@overload
def read_rules(path: Path | None, kind: type[R]) -> R: ...
def read_rules(path: Path | None, kind: type[Rules] = Rules) -> Rules:
    """Returns the rules of a TOML file, the kind's defaults without one. `Unusable` where they are none."""
    if path is None:
        return kind()
    try:
        rules = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), kind)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Unusable(f"{path}: {error}", "docs/protocol.md 9.3 has an example") from None
    if rules.hours and not HOURS.fullmatch(rules.hours):
        raise Unusable(f"{path}: hours are written as 08-20, not {rules.hours!r}", "they are UTC")
    return rules
