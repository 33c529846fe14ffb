"""`trust explain`: what happened to a claim or a task, in words: the story first, then entry by entry."""

from __future__ import annotations

from cyclopts import App

from trust.cli.connection import SERVICE, Service
from trust.cli.terminal import say

app = App(name="explain")


@app.default
def explain(case: str, /, *, service: Service = SERVICE) -> None:
    """Tell what happened to a claim or a task, and why.

    The service only says which entries name it; each is proven by its receipt, and told from its own bytes.

    Parameters
    ----------
    case
        A claim's id (clm_...), or a task's.
    """
    from trust.audit import explaining, storytelling

    with service.client() as client:
        proven = [client.receipt(entry["index"])[1] for entry in client.timeline(case)]
    entries = [(entry.index, entry.data) for entry in proven]
    story, lines = storytelling.story(case, entries), explaining.explain(case, entries)
    if service.json:
        service.show({"case": case, "story": story, "lines": lines})
        return
    say(*story, "")
    told = -1
    for line in lines:
        if line.index != told:
            say(f"entry {line.index}, {storytelling.moment(line.at_ms)}")
        told = line.index
        say(f"    {line.words}")
