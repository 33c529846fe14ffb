"""Lists on the terminal: as many pages as are needed, one line an item."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trust.cli.connection import Service
from trust.cli.terminal import say

Item = dict[str, Any]


def state_of(state: str) -> str | None:
    """The state to ask for; none for `all`."""
    return None if state == "all" else state


def gathered(name: str, most: int, page: Callable[[str | None], Item]) -> list[Item]:
    """The first items of a list, page by page; a page may be short of items, or without any, before the end."""
    items: list[Item] = []
    after: str | None = None
    while len(items) < most:
        answer = page(after)
        items += answer[name]
        after = answer["after"]
        if after is None:
            break
    return items[:most]


def tell_list(
    service: Service, name: str, items: list[Item], line: Callable[[Item], str], nothing: str
) -> None:
    """Prints a list: as JSON where that is asked for, else a line for each item."""
    if service.json or service.field:
        service.show({name: items})
        return
    say(*(line(each) for each in items) if items else (nothing,))
