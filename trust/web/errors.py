"""Errors of pages as pages; those of the API stay problems in JSON."""

from __future__ import annotations

import msgspec

from trust.web.rendering import HTML, SAFELY, Page, alone

OWN = frozenset(
    {
        "",
        "search",
        "tasks",
        "claims",
        "agents",
        "relays",
        "entries",
        "policy",
        "witnesses",
        "stats",
        "convictions",
        "due",
    }
)
"""How the paths of pages begin."""


def error_page(path: str, problem: bytes) -> tuple[bytes, dict[str, str]] | None:
    """A problem on a page, with its headers, where the path is one of the pages'; None elsewhere."""
    if "//" in path or path.strip("/").partition("/")[0] not in OWN:
        return None
    safely = {name.replace("_", "-"): value for name, value in SAFELY.items()}
    return _page(problem), {"content-type": f"{HTML}; charset=utf-8", **safely}


def _page(problem: bytes) -> bytes:
    answer = msgspec.json.decode(problem)
    return alone(Page("error.html", answer["title"], data={"problem": answer}))
