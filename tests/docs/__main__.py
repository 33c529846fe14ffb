"""`uv run python -m tests.docs` makes the generated parts of the documentation anew."""

from __future__ import annotations

from tests.docs.makers import MAKERS
from tests.docs.parts import PAGES, rewritten

for page in PAGES:
    before = page.read_text(encoding="utf-8")
    after = rewritten(before, MAKERS)
    if after != before:
        page.write_text(after, encoding="utf-8")
        print(f"made anew: {page.name}")
