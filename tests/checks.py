"""One command runs every check: `uv run python -m tests.checks`; `--static` stops before anything is run.

Checked are format, lint, types, the import contract, the tests, and the README's commands: each fenced block
marked `sh` in it is run, whole and in order, from the project's root; other blocks are for reading.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STATIC = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy"],
    "imports": ["lint-imports", "--no-logo"],
}
TESTS = {"tests": ["pytest"]}


def readme_script(text: str) -> str:
    """The blocks marked `sh` of a Markdown text, as one shell script."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))


def readme_commands() -> dict[str, list[str]]:
    """The step that runs the README."""
    script = readme_script((ROOT / "README.md").read_text(encoding="utf-8"))
    return {"readme": ["bash", "-euxo", "pipefail", "-c", script]}


def failed(name: str, command: Sequence[str]) -> bool:
    """Runs one step from the project's root, printing what it is, how it ended and how long it took."""
    print(f"== {name}: {' '.join(command) if len(command) < 5 else command[0]}", flush=True)
    begun = time.monotonic()
    bad = subprocess.run(command, cwd=ROOT, check=False).returncode != 0
    print(f"== {name}: {'FAILED' if bad else 'good'} after {time.monotonic() - begun:.1f} s\n", flush=True)
    return bad


def main(arguments: Sequence[str]) -> int:
    """0 when every step is good, 1 with a list of those that are not."""
    steps = STATIC if "--static" in arguments else STATIC | TESTS | readme_commands()
    bad = [name for name, command in steps.items() if failed(name, command)]
    print(f"failed: {', '.join(bad)}" if bad else f"all good: {', '.join(steps)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
