"""`trust explain`: what happened to a claim or a task, entry by entry, in words."""

from __future__ import annotations

from cyclopts import App

from trust.cli.connection import SERVICE, Service

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
    from trust.audit import explaining

    with service.client() as client:
        proven = [client.receipt(entry["index"])[1] for entry in client.timeline(case)]
    lines = explaining.explain(case, [(entry.index, entry.data) for entry in proven])
    if service.json:
        service.show({"case": case, "lines": lines})
        return
    told = -1
    for line in lines:
        if line.index != told:
            print(f"entry {line.index}")
        told = line.index
        print(f"    {line.words}")
