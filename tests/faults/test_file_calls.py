"""Every file call fails once (as the C library makes it: SQLite's too), and what was begun is ended afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import calls

LIVES = ["init", "backup", "export", "adopt", "append", "start", "witness"]


@pytest.mark.slow
@pytest.mark.parametrize("life", LIVES)
def test_each_file_call_fails_once_and_nothing_is_lost_or_left_half(life: str, tmp_path: Path) -> None:
    print(calls.run(life, tmp_path))
