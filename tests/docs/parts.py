"""The parts of `docs/*.md` that are made from the code: between `<!-- made: NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md"))])
_PART = re.compile(r"(<!-- made: ([a-z0-9-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_FENCE = re.compile(r"^```[a-z]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
Makers = Mapping[str, Callable[[], str]]


@cache
def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def parts(page: Path) -> dict[str, str]:
    """The parts of a page by name, as they stand in it."""
    return {name: body for _, name, body, _ in _PART.findall(read(page))}


def all_parts() -> dict[str, str]:
    """Those of all pages."""
    return {name: body for page in PAGES if page.exists() for name, body in parts(page).items()}


def rewritten(text: str, makers: Makers) -> str:
    """A page with its parts made anew."""
    return _PART.sub(lambda found: found[1] + makers[found[2]]() + found[4], text)


def fenced(text: str, language: str = "text") -> str:
    """A block of text for a page."""
    return f"```{language}\n{text.rstrip()}\n```\n"


def example(name: str) -> str:
    """The text in the block of an example, as a reader of the page sees it."""
    found = _FENCE.search(all_parts()[name])
    assert found is not None, name
    return found[1]


def fields(name: str) -> dict[str, str]:
    """The lines `name: value` of an example."""
    return dict(line.split(": ", 1) for line in example(name).splitlines())
