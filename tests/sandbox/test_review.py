"""The rule set `ast-review/1`: each rule at its edge, and reports that anyone writes to the same byte."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from trust.sandbox.review import (
    MAX_STATEMENTS,
    RULE_SET,
    Finding,
    Source,
    report,
    report_of,
    review,
    sources_of,
    specification,
    standard_library,
)


def _found(text: str) -> list[tuple[str, str]]:
    return [(finding.rule, finding.name) for finding in review(text)]


@pytest.mark.parametrize(
    ("text", "rule", "name"),
    [
        ("try:\n  pass\nexcept:\n  pass", "bare-except", ""),
        ("a == None", "none-comparison", ""),
        ("None != a", "none-comparison", ""),
        ("a < b == None", "none-comparison", ""),
        ("assert (a, 'said')", "tuple-assert", ""),
        ("from os import *", "star-import", "os"),
        ("def f(a=[]): pass", "mutable-default", "f"),
        ("async def f(*, a=dict()): pass", "mutable-default", "f"),
        ("lambda a={1}: a", "mutable-default", ""),
        ("def f(input): pass", "shadowed-builtin", "input"),
        ("for id in (): pass", "shadowed-builtin", "id"),
        ("import os.path", "unused-import", "os"),
        ("from os import path as p", "unused-import", "p"),
    ],
)
def test_each_rule_finds_what_it_is_for(text: str, rule: str, name: str) -> None:
    assert _found(text) == [(rule, name)]


@pytest.mark.parametrize(
    "text",
    [
        "try:\n  pass\nexcept OSError:\n  pass",
        "a is None",
        "a < None",
        "assert ()",
        "def f(a=(), b=frozenset(), c=None): pass",
        "print(id)",
        "from __future__ import annotations",
        "import os as os",
        "import os\nos.path",
        "from os import path\n__all__ = ['path']",
        "from os import path\n__all__ = ()\n__all__ += ('path',)",
    ],
)
def test_what_only_looks_like_it_is_no_finding(text: str) -> None:
    assert _found(text) == []


def test_a_function_is_long_from_the_first_statement_over_the_limit() -> None:
    most = "def f():\n" + "  pass\n" * MAX_STATEMENTS
    assert _found(most) == []
    assert _found(most + "  pass\n") == [("long-function", "f")]


def test_findings_come_sorted_and_each_once() -> None:
    found = review("def f(id, input=[]): pass\na == None == None\nimport os")
    assert found == sorted(set(found))
    assert found[0] == Finding(1, "mutable-default", "f")


def test_a_report_is_canonical_and_names_rules_and_source() -> None:
    source = Source("lib/é.py", "import os\n")
    data = report(source)
    said = json.loads(data)
    assert said == {
        "file": "lib/é.py",
        "findings": [[1, "unused-import", "os"]],
        "rules": RULE_SET,
        "sha256": source.sha256,
    }
    assert data == json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
    assert report_of(source, ()) != data


def test_a_specification_gives_back_the_very_sources() -> None:
    sources = [Source("a.py", "a = 'é'\n"), Source("b.py", "")]
    assert sources_of(specification(sources)) == sources


@pytest.mark.parametrize(
    ("old", "new"),
    [(RULE_SET, "ast-review/2"), ("pass", "fail"), ('"text"', '"test"'), ('"files"', '"file"')],
)
def test_a_specification_with_one_word_changed_is_refused(old: str, new: str) -> None:
    spec = specification([Source("a.py", "pass\n")]).decode()
    with pytest.raises(ValueError, match=r"specification|review by|digest"):
        sources_of(spec.replace(old, new).encode())


def test_the_choice_of_the_standard_library_is_the_same_each_time_and_parses() -> None:
    chosen = standard_library(40)
    assert len(chosen) == 40
    assert chosen == standard_library(40)
    assert [each.file for each in chosen] == sorted(each.file for each in chosen)
    assert any(review(each.text) for each in chosen)


def test_many_threads_review_at_once_and_find_the_same() -> None:
    texts = [each.text for each in standard_library(8)]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(review, texts * 4)) == [review(text) for text in texts] * 4
