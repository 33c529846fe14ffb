"""A copy of the package in which every struct that entries are made of has one field more."""

from __future__ import annotations

import ast
import inspect
import shutil
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

import trust
from trust.core.entry import Entry

FIELD = "a_later_number: int | None = None"


def encoded_structs() -> set[type[msgspec.Struct]]:
    """Every struct type that the bytes of an entry are encoded from."""
    found: set[type[msgspec.Struct]] = set()
    waiting: list[Any] = [Entry]
    while waiting:
        type_ = waiting.pop()
        if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
            if type_ not in found:
                found.add(type_)
                waiting += get_type_hints(type_).values()
        else:
            waiting += get_args(type_)
    return found


def grow(target: Path) -> set[str]:
    """Copies `trust` into a folder with the field added wherever it may be; returns the names of those structs."""
    package = Path(trust.__file__).parent
    shutil.copytree(package, target / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    kinds = [kind for kind in encoded_structs() if not kind.__struct_config__.array_like]
    by_file: dict[Path, set[str]] = {}
    for kind in kinds:
        by_file.setdefault(Path(inspect.getfile(kind)), set()).add(kind.__name__)
    for path, names in by_file.items():
        grown = target / package.name / path.relative_to(package)
        grown.write_text(_with_field(path.read_text(), names))
    return {kind.__name__ for kind in kinds}


def _with_field(source: str, names: set[str]) -> str:
    """The source with the field after the last annotated one of each of these classes."""
    lines = source.splitlines(keepends=True)
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    for node in reversed([each for each in classes if each.name in names]):
        fields = [at for at in node.body if isinstance(at, ast.AnnAssign)]
        lines.insert(fields[-1].end_lineno or 0, f"    {FIELD}\n")
    return "".join(lines)
