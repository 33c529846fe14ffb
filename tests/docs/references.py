"""References to headings of the documentation, such as `docs/rules.md 4` or `docs/protocol.md 3 and 4`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.docs.parts import DOCS, ROOT, read

NUMBER = r"[0-9]+(?:\.[0-9]+)*"
_REFERENCE = re.compile(rf"\b([a-z]+)\.md ({NUMBER}(?:(?:, | and | to ){NUMBER})*)(?![0-9])")
_OLD = re.compile(
    r"\bdesign\.md|(?<!docs/)\b(?:architecture|protocol|rules|reputation)\.md|\bprotocol [0-9]\b|\b[Rr]ules [3-9]\b"
    r"|\.md,? sections?\b"
)
_CODE = ("trust/**/*.py", "tests/**/*.py", "alembic/**/*.py", "pyproject.toml", "policies/*.toml")


@cache
def headings(page: str) -> frozenset[str]:
    """The numbers of a page's headings."""
    return frozenset(re.findall(rf"^#+ ({NUMBER})\.? ", read(DOCS / f"{page}.md"), re.MULTILINE))


def references(text: str) -> Iterator[tuple[str, str]]:
    """Page and number of each reference in a text."""
    for page, numbers in _REFERENCE.findall(_joined(text)):
        for number in re.findall(NUMBER, numbers):
            yield page, number


def sources() -> list[Path]:
    """What may refer to the documentation, but for its own machinery."""
    found = [path for pattern in _CODE for path in sorted(ROOT.glob(pattern))]
    return [
        path for path in found if "docs" not in path.relative_to(ROOT).parts and path.name != "test_docs.py"
    ]


def dangling(text: str) -> list[str]:
    """References to a heading, or a page, that is not there."""
    pages = {path.stem for path in DOCS.glob("*.md")}
    return [
        f"{page}.md {number}"
        for page, number in references(text)
        if page in pages and number not in headings(page)
    ]


def old(text: str) -> list[str]:
    """References in a form that is not used any more."""
    return _OLD.findall(_joined(text))


def _joined(text: str) -> str:
    """The text with its lines joined, as a reference may stand across a line's end."""
    return re.sub(r"\s*\n[ \t]*", " ", text)
