"""The house rules that no tool checks."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "trust").rglob("*.py"), *(ROOT / "tests").rglob("*.py")])
MAX_FILE_LINES = 800
MAX_FUNCTION_LINES = 70
MAX_MEDIAN_LINES = 10
BANNED_NAMES = {"utils", "util", "helpers", "helper", "manager", "base", "common", "misc"}
PACKAGE_HOSTS = re.compile(r"pypi\.|pythonhosted|simple/?\"|index-url", re.IGNORECASE)


def _functions(tree: ast.Module) -> list[tuple[str, int]]:
    """Each function of a file with its lines, its docstring not counted."""
    lengths = []
    for node in _statements(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = node.body[0] if ast.get_docstring(node) else None
            skipped = (documented.end_lineno or 0) - documented.lineno + 1 if documented else 0
            lengths.append((node.name, (node.end_lineno or 0) - node.lineno + 1 - skipped))
    return lengths


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement under a node, without going through expressions, in which no function has a name."""
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for each in getattr(node, block, ()):
            yield each
            yield from _statements(each)


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """Every file of ours, parsed once."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES}


def _faults(path: Path, tree: ast.Module) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    if text.count("\n") >= MAX_FILE_LINES:
        yield f"{text.count(chr(10))} lines"
    if text.strip() and not ast.get_docstring(tree):
        yield "does not say what it is"
    yield from (f"{name} has {lines} lines" for name, lines in _functions(tree) if lines > MAX_FUNCTION_LINES)
    yield from (f"is called {name}" for name in BANNED_NAMES & set(path.stem.split("_")))


def test_a_file_is_short_says_what_it_decides_and_has_no_long_function(trees: dict[Path, ast.Module]) -> None:
    faults = {str(path.relative_to(ROOT)): list(_faults(path, tree)) for path, tree in trees.items()}
    assert {path: found for path, found in faults.items() if found} == {}


def test_the_median_function_is_short(trees: dict[Path, ast.Module]) -> None:
    ours = (tree for path, tree in trees.items() if "tests" not in path.parts)
    assert statistics.median(lines for tree in ours for _, lines in _functions(tree)) < MAX_MEDIAN_LINES


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
