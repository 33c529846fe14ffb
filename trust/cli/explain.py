"""`trust explain`: what happened to a claim or a task, entry by entry, in words."""

from __future__ import annotations

from cyclopts import App

from trust.cli.connection import SERVICE, Service

app = App(name="explain")


@app.default
def explain(case: str, /, *, service: Service = SERVICE) -> None:
    """Tell what happened to a claim or a task, and why.

    Parameters
    ----------
    case
        A claim's id (clm_...), or a task's.
    """
    with service.client() as client:
        entries = client.timeline(case)
    if service.json:
        service.show({"case": case, "entries": entries})
        return
    for entry in entries:
        print(f"entry {entry['index']}  {entry['kind']}")
        words = entry["words"]
        for sentence in [words] if isinstance(words, str) else words:
            print(f"    {sentence}")
