"""How large the house is, and how many files a statement kind stands in: `python -m tests.house_figures`.

A statement kind with a record is followed by the names that its payload, its events and its record have, as words of
the sources: each file that has one of them is a place that somebody who adds such a kind has to touch or to read.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "verdict.challenge": (
        "verdict.challenge", "VerdictChallenge", "VerdictChallenged", "ChallengeEnded", "Challenge", "Challenges",
    ),
    "task.allocate": (
        "task.allocate", "TaskAllocate", "TaskAllocating", "TaskAllocated", "AllocationFailed", "AllocationLapsed",
        "Allocation", "Allocations",
    ),
    "canary.commit": ("canary.commit", "CanaryCommit", "CanariesCommitted", "CanariesMissed", "CanaryRoot"),
    "stake.withdraw": (
        "stake.withdraw", "StakeWithdraw", "WithdrawalOpened", "WithdrawalMatured", "WithdrawalEnded", "Withdrawal",
        "Withdrawals",
    ),
}  # fmt: skip
"""Statement kinds that have a record, with the names that belong to each."""


def sources(root: Path, room: str) -> list[Path]:
    """The Python files under a folder of the project, in order."""
    return sorted((root / room).rglob("*.py"))


def lines_of(paths: Iterable[Path]) -> int:
    """How many lines these files have together."""
    return sum(path.read_text(encoding="utf-8").count("\n") for path in paths)


def rooms(root: Path) -> dict[str, tuple[int, int]]:
    """The files and lines of each package of `trust`; a module of its own counts for `.`."""
    by_room: dict[str, list[Path]] = {}
    for path in sources(root, "trust"):
        parts = path.relative_to(root / "trust").parts
        by_room.setdefault(parts[0] if len(parts) > 1 else ".", []).append(path)
    return {room: (len(paths), lines_of(paths)) for room, paths in sorted(by_room.items())}


def places(root: Path, names: Sequence[str]) -> dict[str, int]:
    """The files of `trust` that have one of these names as a word, and how many lines do in each."""
    pattern = re.compile(r"(?<![\w.])(?:" + "|".join(map(re.escape, names)) + r")(?![\w])")
    found: Counter[str] = Counter()
    for path in sources(root, "trust"):
        count = sum(1 for line in path.read_text(encoding="utf-8").splitlines() if pattern.search(line))
        if count:
            found[str(path.relative_to(root))] = count
    return dict(found)


def main(arguments: Sequence[str]) -> int:
    """Prints the figures of this checkout, or of the one whose folder is named."""
    root = Path(arguments[0]) if arguments else ROOT
    for folder in ("trust", "tests"):
        paths = sources(root, folder)
        print(f"{folder:10} {len(paths):4} files {lines_of(paths):6} lines")
    for room, (files, lines) in rooms(root).items():
        print(f"  {room:8} {files:4} files {lines:6} lines")
    for kind, names in KINDS.items():
        found = places(root, names)
        print(f"{kind:18} stands in {len(found):2} files of trust, on {sum(found.values()):3} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
