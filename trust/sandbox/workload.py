"""The work of the patterns: on the standard library's own source, and anyone recomputes it to the byte.

A specification is canonical JSON. `review` is `review.py`'s; `outline` counts what a module defines and binds it to the
outlines of the modules that it imports, so it can only be made after theirs.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from trust.client import Case
from trust.sandbox import review
from trust.sandbox.review import Source, canonical

ARTIFACT = "report.json"
OUTLINE = "outline/1"

Facts = dict[str, Any]


def review_spec(source: Source) -> bytes:
    """The specification of one file's review."""
    return review.specification([source])


def outline_spec(source: Source, inputs: Mapping[str, str]) -> bytes:
    """The specification of an outline; `inputs` are the digests of the outlines of what it imports, by module."""
    return canonical(
        {"work": OUTLINE, "file": source.file, "text": source.text, "inputs": dict(sorted(inputs.items()))}
    )


@lru_cache(maxsize=1_000)
def produce(spec: bytes) -> bytes:
    """The output that a specification asks for. ValueError where it asks for nothing that is known."""
    facts = json.loads(spec)
    if isinstance(facts, dict) and facts.get("work") == OUTLINE:
        return _outline(facts)
    sources = review.sources_of(spec)
    return review.report(sources[0]) if len(sources) == 1 else _summary(items_of(spec))


def items_of(spec: bytes) -> list[bytes]:
    """The items of the output: the reports of a batch of files; none for a single file."""
    facts = json.loads(spec)
    sources = [] if isinstance(facts, dict) and facts.get("work") == OUTLINE else review.sources_of(spec)
    return [review.report(source) for source in sources] if len(sources) > 1 else []


def _summary(items: list[bytes]) -> bytes:
    found = sum(len(json.loads(item)["findings"]) for item in items)
    return canonical({"rules": review.RULE_SET, "files": len(items), "findings": found})


def judge(case: Case) -> bool | Mapping[int, bool]:
    """Does the work of a case again, and compares bytes: the whole output, or item by item."""
    try:
        if case.task.items is not None:
            sources = review.sources_of(case.spec)
            return {index: item == review.report(sources[index]) for index, item in case.items.items()}
        wanted = produce(case.spec)
    except (ValueError, KeyError, SyntaxError, RecursionError):
        return False
    return list(case.artifacts.values()) == [wanted]


def _outline(facts: Facts) -> bytes:
    text = str(facts["text"])
    tree = ast.parse(text)
    kinds = [type(node).__name__ for node in ast.walk(tree)]
    counted = {name: kinds.count(name) for name in ("FunctionDef", "AsyncFunctionDef", "ClassDef", "Import")}
    return canonical(
        {
            "file": facts["file"],
            "work": OUTLINE,
            "sha256": sha256(text.encode()).hexdigest(),
            "counted": counted,
            "inputs": facts["inputs"],
        }
    )


def imported(source: Source) -> set[str]:
    """The top-level modules that a file imports."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(source.text)):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.partition(".")[0])
    return modules


def dependencies(sources: Iterable[Source]) -> dict[str, set[str]]:
    """Which of these files each one imports, without circles: of two that import each other the later one counts."""
    by_module = {source.file.removesuffix(".py"): source for source in sources}
    depends: dict[str, set[str]] = {}
    for place, (module, source) in enumerate(by_module.items()):
        earlier = set(list(by_module)[:place])
        depends[module] = imported(source) & earlier
    return depends


def library(count: int) -> list[Source]:
    """So many top-level files of the standard library, small ones first."""
    sources = [source for source in review.standard_library(4 * count + 40) if "/" not in source.file]
    return sorted(sources, key=lambda source: (len(source.text), source.file))[:count]
