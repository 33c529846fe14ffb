"""`trust search`: what a word names."""

from __future__ import annotations

from typing import Any

from cyclopts import App

from trust.cli.connection import SERVICE, Service
from trust.cli.lists import gathered, tell_list
from trust.cli.values import Count

app = App(name="search")


@app.default
def search(word: str, /, *, most: Count = 100, service: Service = SERVICE) -> None:
    """Find what a word names: a DID, a handle or task or how one begins, an id, an index, a hash, a name elsewhere.

    Parameters
    ----------
    word
        What to look for.
    most
        How many finds at most.
    """
    with service.client() as client:
        finds = gathered("found", most, lambda after: client.search(word, after))
    tell_list(service, "found", finds, _line, "nothing has that name")


def _line(find: dict[str, Any]) -> str:
    return f"{find['kind']}  {find['id']}  ({find['matched']})  {find['path']}"
