"""What is built and pinned: the wheel works alone, and every machine resolves to the same tree."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from tests.checks import readme_script
from trust import __version__
from trust.web.offline import MODULES

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CARRIED = ("alembic", "policies")


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found.group()).lower() if found else ""


def _pins() -> dict[str, str]:
    return dict(pin.split("==") for pin in PROJECT["tool"]["uv"]["constraint-dependencies"])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    target = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return zipfile.ZipFile(next(target.glob("*.whl")))


def test_every_installed_package_is_pinned_at_the_version_that_is_installed() -> None:
    installed = {_name(found.name): found.version for found in distributions()}
    strays = {"agent-trust-log", "pip", "setuptools", "wheel", "uv"}
    assert {name: version for name, version in installed.items() if name not in strays} == {
        name: version for name, version in _pins().items() if name in installed
    }


def test_the_package_says_the_version_that_it_is_built_as() -> None:
    assert PROJECT["project"]["version"] == __version__


def test_the_build_uses_the_pins_of_the_tree() -> None:
    build = dict(pin.split("==") for pin in PROJECT["tool"]["uv"]["build-constraint-dependencies"])
    assert {name: _pins()[name] for name in build.keys() & _pins().keys()} == {
        name: version for name, version in build.items() if name in _pins()
    }


def test_the_wheel_carries_the_migrations_the_policies_the_javascript_and_no_tests(
    wheel: zipfile.ZipFile,
) -> None:
    names = set(wheel.namelist())
    assert {"trust/_data/docs/rules.md", "trust/mcp/SKILL.md"} <= names
    for folder in CARRIED:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"trust/_data/{path.relative_to(ROOT)}" in names
    for path in MODULES.iterdir():
        assert str(path.relative_to(ROOT)) in names
    assert {name.partition("/")[0] for name in names} == {
        "trust",
        f"agent_trust_log-{PROJECT['project']['version']}.dist-info",
    }


def test_a_plain_install_of_the_wheel_asks_for_nothing_that_only_tests_need(wheel: zipfile.ZipFile) -> None:
    metadata = wheel.read(next(name for name in wheel.namelist() if name.endswith("/METADATA"))).decode()
    lines = re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE)
    asked = {_name(line) for line in lines if "extra ==" not in line}
    dev = {_name(requirement) for requirement in PROJECT["dependency-groups"]["dev"]}
    assert asked == {_name(requirement) for requirement in PROJECT["project"]["dependencies"]}
    assert not asked & (dev | {"pysha3"})


def test_only_blocks_marked_sh_are_run_from_the_readme() -> None:
    text = "a\n```sh\none\ntwo\n```\n```text\nnot this\n```\n```sh\nthree\n```\n"
    assert readme_script(text) == "one\ntwo\n\nthree\n"
