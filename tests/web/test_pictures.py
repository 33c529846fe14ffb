"""The pictures in the documentation: each is small, and shown; each that is shown is there."""

from __future__ import annotations

import re

from tests.docs.parts import DOCS, read
from tests.web.pictures import FOLDER, MAX_BYTES, pictures


def test_the_explorers_page_shows_every_picture_that_is_taken_and_no_other() -> None:
    shown = re.findall(r"!\[[^]]{20,}\]\(pictures/([a-z]+)\.webp\)", read(DOCS / "explorer.md"))
    taken = [each.name for each in pictures("claim", "worker")]
    assert shown == taken
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{name}.webp" for name in taken)


def test_pictures_are_small() -> None:
    for path in FOLDER.iterdir():
        data = path.read_bytes()
        assert (data[:4], data[8:12]) == (b"RIFF", b"WEBP"), path
        assert 1_000 < len(data) <= MAX_BYTES, path
