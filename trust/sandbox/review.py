"""The sandbox's real work: a code review that anyone recomputes to the byte, by the rule set `ast-review/1`.

A finding is (line, rule, name); what each rule means is in its function below and is fixed for ever under this
name, another meaning would be another rule set. A report is canonical JSON of the file's name, the SHA-256 of its
source, the rule set and its sorted findings, so two honest reviewers of one source write the same bytes.

The source under review is Python's own standard library, as this interpreter has it.
"""

from __future__ import annotations

import ast
import json
import os
import sysconfig
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

RULE_SET = "ast-review/1"
MAX_STATEMENTS = 50
MAX_SOURCE_BYTES = 200_000
SHADOWED = frozenset({
    "abs", "all", "any", "bin", "bool", "bytes", "callable", "chr", "dict", "dir", "filter", "float", "format",
    "hash", "hex", "id", "input", "int", "iter", "len", "list", "map", "max", "min", "next", "object", "oct", "open",
    "ord", "pow", "print", "property", "range", "repr", "reversed", "round", "set", "slice", "sorted", "str", "sum",
    "super", "tuple", "type", "vars", "zip",
})  # fmt: skip
_SKIPPED = frozenset({"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"})
_MUTABLE = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_MUTABLE_CALLS = frozenset({"list", "dict", "set", "bytearray"})


class Finding(NamedTuple):
    """One thing that a rule objects to; `name` is what it is called in the source, "" where it has no name."""

    line: int
    rule: str
    name: str


class Source(NamedTuple):
    """One file under review; `file` is its path within the library, with slashes."""

    file: str
    text: str

    @property
    def sha256(self) -> str:
        return sha256(self.text.encode()).hexdigest()


_parsing = threading.Lock()  # CPython 3.11 counts the parser's recursion for all threads together (gh-106905)


def review(text: str) -> list[Finding]:
    """Every finding in a module's source, sorted."""
    with _parsing:
        tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    findings = set(_unused_imports(tree, nodes))
    for node in nodes:
        for rule in _RULES.get(type(node), ()):
            findings.update(rule(node))
    return sorted(findings)


@lru_cache(maxsize=1_000)
def report(source: Source) -> bytes:
    """The review of one file as it is delivered: the bytes that a verifier compares.

    Agents of one process share it: it is half of their time, and each would write the same bytes.
    """
    return report_of(source, review(source.text))


def report_of(source: Source, findings: Iterable[Finding]) -> bytes:
    """A report that claims these findings, whoever found them."""
    return canonical(
        {"file": source.file, "findings": list(findings), "rules": RULE_SET, "sha256": source.sha256}
    )


def canonical(value: object) -> bytes:
    """JSON with sorted keys, no spaces, ASCII only: one value, one text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


# -- the specification: what is to be reviewed, whole


def specification(sources: Iterable[Source]) -> bytes:
    """The task as a blob: the rule set, and every file with its text and digest."""
    files = [{"file": each.file, "sha256": each.sha256, "text": each.text} for each in sources]
    return canonical({"files": files, "rules": RULE_SET})


def sources_of(spec: bytes) -> list[Source]:
    """The files of a specification; ValueError where it is not one of this rule set, or a digest is wrong."""
    try:
        parsed = json.loads(spec)
        rules, files = parsed["rules"], parsed["files"]
        sources = [Source(str(each["file"]), str(each["text"])) for each in files]
        digests = [each["sha256"] for each in files]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a specification: {error!r}") from error
    if rules != RULE_SET:
        raise ValueError(f"a review by {rules!r}, here is {RULE_SET}")
    if digests != [each.sha256 for each in sources]:
        raise ValueError("a file's digest is not that of its text")
    return sources


def standard_library(count: int) -> list[Source]:
    """The first `count` modules of the standard library by path: no tests, UTF-8, at most 200 kB each."""
    root = Path(sysconfig.get_path("stdlib"))
    chosen: list[Source] = []
    for path in sorted(_modules(root)):
        if len(chosen) == count:
            break
        text = _text(root / path)
        if text is not None:
            chosen.append(Source(path, text))
    return chosen


def _modules(root: Path) -> Iterator[str]:
    """Yields the path of every module below a directory, in no order."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in _SKIPPED]
        here = Path(folder).relative_to(root)
        yield from ((here / name).as_posix() for name in files if name.endswith(".py"))


def library_file(file: str) -> Source:
    """One module of the standard library; ValueError where it is none that can be reviewed."""
    text = _text(Path(sysconfig.get_path("stdlib")) / file)
    if text is None:
        raise ValueError(f"{file} is empty, over {MAX_SOURCE_BYTES} bytes, or not UTF-8")
    return Source(file, text)


def _text(path: Path) -> str | None:
    data = path.read_bytes()
    if not 0 < len(data) <= MAX_SOURCE_BYTES:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


# -- the rules: each takes a node of its kind and yields what it objects to


def _bare_except(node: ast.ExceptHandler) -> Iterator[Finding]:
    """`except:` names no exception."""
    if node.type is None:
        yield Finding(node.lineno, "bare-except", "")


def _none_comparison(node: ast.Compare) -> Iterator[Finding]:
    """`==` or `!=` with None on either side."""
    operands = [node.left, *node.comparators]
    for place, operator in enumerate(node.ops):
        sides = operands[place : place + 2]
        nothing = any(isinstance(side, ast.Constant) and side.value is None for side in sides)
        if nothing and isinstance(operator, ast.Eq | ast.NotEq):
            yield Finding(node.lineno, "none-comparison", "")


def _tuple_assert(node: ast.Assert) -> Iterator[Finding]:
    """`assert` on a tuple with elements, which is always true."""
    if isinstance(node.test, ast.Tuple) and node.test.elts:
        yield Finding(node.lineno, "tuple-assert", "")


def _star_import(node: ast.ImportFrom) -> Iterator[Finding]:
    """`from module import *`."""
    if any(alias.name == "*" for alias in node.names):
        yield Finding(node.lineno, "star-import", node.module or "")


def _mutable_default(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> Iterator[Finding]:
    """A default that is a list, dict or set: a display, a comprehension, or a call of one's name."""
    name = getattr(node, "name", "")
    for default in (*node.args.defaults, *node.args.kw_defaults):
        called = isinstance(default, ast.Call) and getattr(default.func, "id", "") in _MUTABLE_CALLS
        if called or isinstance(default, _MUTABLE):
            yield Finding(node.lineno, "mutable-default", name)


def _long_function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Finding]:
    """More than 50 statements in a function, all that is nested in it included, itself not."""
    if sum(isinstance(each, ast.stmt) for each in ast.walk(node)) - 1 > MAX_STATEMENTS:
        yield Finding(node.lineno, "long-function", node.name)


def _shadowed_parameter(node: ast.arg) -> Iterator[Finding]:
    """A parameter called as one of `SHADOWED`, a fixed part of the built-in names."""
    if node.arg in SHADOWED:
        yield Finding(node.lineno, "shadowed-builtin", node.arg)


def _shadowed_name(node: ast.Name) -> Iterator[Finding]:
    """Reports a name that is assigned and hides a built-in."""
    if isinstance(node.ctx, ast.Store) and node.id in SHADOWED:
        yield Finding(node.lineno, "shadowed-builtin", node.id)


def _unused_imports(tree: ast.Module, nodes: Sequence[ast.AST]) -> Iterator[Finding]:
    """An import whose name occurs nowhere else in the module, neither in code nor in a literal `__all__`.

    `import a as a` and `from __future__` are no findings.
    """
    used = {node.id for node in nodes if isinstance(node, ast.Name)} | _exported(tree)
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom) and getattr(node, "module", "") != "__future__":
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                if alias.name != "*" and alias.asname != alias.name and bound not in used:
                    yield Finding(node.lineno, "unused-import", bound)


def _exported(tree: ast.Module) -> set[str]:
    """The strings of every list or tuple assigned or added to `__all__` at the top of a module."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)
            if named and isinstance(node.value, ast.List | ast.Tuple):
                names.update(each.value for each in node.value.elts if _is_string(each))  # type: ignore[attr-defined]
    return names


def _is_string(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


_Rule = Callable[[Any], Iterator[Finding]]
_FUNCTION: tuple[_Rule, ...] = (_mutable_default, _long_function)
_RULES: dict[type[ast.AST], tuple[_Rule, ...]] = {
    ast.ExceptHandler: (_bare_except,),
    ast.Compare: (_none_comparison,),
    ast.Assert: (_tuple_assert,),
    ast.ImportFrom: (_star_import,),
    ast.FunctionDef: _FUNCTION,
    ast.AsyncFunctionDef: _FUNCTION,
    ast.Lambda: (_mutable_default,),
    ast.arg: (_shadowed_parameter,),
    ast.Name: (_shadowed_name,),
}
