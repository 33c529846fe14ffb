"""References to headings of the documentation, such as `docs/rules.md 4` or `docs/protocol.md 3 and 4`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.docs.parts import DOCS, ROOT, read

NUMBER = r"[0-9]+(?:\.[0-9]+)*"
_REFERENCE = re.compile(rf"\b([a-z]+)\.md ({NUMBER}(?:(?:, | and | to ){NUMBER})*)(?![0-9])")
_OLD = (
    re.compile(
        r"\.md(?:(?<=\bdesign\.md)|,? sections?\b|"
        + "|".join(
            rf"(?<=\b{page}\.md)(?<!docs/{page}\.md)"
            for page in ("architecture", "protocol", "rules", "reputation")
        )
        + ")"
    ),
    re.compile(r"protocol(?<=\bprotocol) [0-9]\b"),
    re.compile(r"ules(?<=\b[Rr]ules) [3-9]\b"),
)
"""Each begins with letters that it is looked for by, which is ten times as fast."""
_CODE = ("trust/**/*.py", "tests/**/*.py", "alembic/**/*.py", "pyproject.toml", "policies/*.toml")


@cache
def headings(page: str) -> frozenset[str]:
    """The numbers of a page's headings."""
    return frozenset(re.findall(rf"^#+ ({NUMBER})\.? ", read(DOCS / f"{page}.md"), re.MULTILINE))


def references(text: str) -> Iterator[tuple[str, str]]:
    """Page and number of each reference in a text."""
    if ".md" not in text:
        return
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
    joined = _joined(text)
    return [found[0] for form in _OLD for found in form.finditer(joined)]


def _joined(text: str) -> str:
    """The text in one line, as a reference may stand across a line's end."""
    return " ".join(text.split())
