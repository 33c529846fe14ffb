"""The house rules that no tool checks."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "trust").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 70
MAX_MEDIAN_LINES = 10
BANNED_NAMES = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
PACKAGE_HOSTS = re.compile(r"pypi\.|pythonhosted|simple/?\"|index-url", re.IGNORECASE)


def _lengths(path: Path) -> dict[str, int]:
    """Lines of each function of a file, its docstring not counted."""
    lengths = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = node.body[0] if ast.get_docstring(node) else None
            skipped = (documented.end_lineno or 0) - documented.lineno + 1 if documented else 0
            lengths[node.name] = (node.end_lineno or 0) - node.lineno + 1 - skipped
    return lengths


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_short_says_what_it_decides_and_has_no_long_function(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < MAX_FILE_LINES
    assert ast.get_docstring(ast.parse(text)) or not text.strip()
    assert {name: lines for name, lines in _lengths(path).items() if lines > MAX_FUNCTION_LINES} == {}
    assert not BANNED_NAMES & set(path.stem.split("_"))


def test_the_median_function_is_short() -> None:
    lengths = [lines for path in SOURCES if "tests" not in path.parts for lines in _lengths(path).values()]
    assert statistics.median(lengths) < MAX_MEDIAN_LINES


def test_no_committed_file_names_a_package_host() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    this = Path(__file__).resolve()
    texts = [
        path
        for name in listed.stdout.splitlines()
        if (path := ROOT / name).suffix in {".toml", ".md", ".txt", ".cfg", ""}
    ]
    found = [
        path.name
        for path in texts
        if path.is_file() and path != this and PACKAGE_HOSTS.search(path.read_text("utf-8"))
    ]
    assert found == []
