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

from tests.api.house import house
from tests.checks import readme_script
from trust import __version__
from trust.cli import extras
from trust.cli.failures import CANNOT_CHECK, report
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


OF_EXTRAS = sorted({*extras.MODULES} - {"rich"})  # rich comes with the command line


def test_the_client_and_the_verifier_load_nothing_of_the_server() -> None:
    code = "import sys, trust.client, trust.verify.files; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    ours = {name.split(".")[1] for name in loaded if name.startswith("trust.")}
    assert not {name.partition(".")[0] for name in loaded} & set(OF_EXTRAS)
    assert ours <= {"client", "clock", "core", "errors", "escaping", "files", "log", "verify"}


def test_every_module_of_an_extra_is_known_to_the_command_line() -> None:
    optional = PROJECT["project"]["optional-dependencies"]
    base = {_name(each) for each in PROJECT["project"]["dependencies"]}
    packages = {_name(each) for wanted in optional.values() for each in wanted} - base
    known = {name.replace("_", "-") for name in extras.MODULES}
    assert not {each for each in packages if not {each, each.partition("-")[0]} & known}


@pytest.mark.parametrize("extra", ["server", "mldsa"])
def test_a_command_whose_extra_is_missing_says_which_to_install(
    extra: str, capsys: pytest.CaptureFixture[str]
) -> None:
    module = next(name for name, brings in extras.MODULES.items() if brings == extra)
    assert report(ModuleNotFoundError("missing", name=f"{module}.part")) == CANNOT_CHECK
    assert f"agent-trust-log[{extra}]" in capsys.readouterr().err


def _installed(wheel: zipfile.ZipFile, home: Path, extra: str = "") -> Path:
    """The `bin` of an empty environment with the wheel in it, at the pins of the tree."""
    pins = home / "pins.txt"
    pins.write_text("\n".join(f"{name}=={version}" for name, version in _pins().items()), encoding="utf-8")
    subprocess.run(["uv", "venv", "-q", "--python", sys.executable, "env"], cwd=home, check=True)
    asked = f"{Path(str(wheel.filename)).resolve()}{extra}"
    install = ["uv", "pip", "install", "-q", "--python", "env/bin/python", "-c", str(pins), asked]
    subprocess.run(install, cwd=home, check=True)
    return home / "env" / "bin"


@pytest.mark.slow
def test_the_base_alone_verifies_a_receipt_and_is_small(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    with house(tmp_path, f"sqlite:///{tmp_path / 'trust.db'}") as home:
        home.settle_in()
        answer = home.client.get("/v1/receipts/1")
        vkey = home.vkey
    receipt = tmp_path / "receipt.json"
    receipt.write_bytes(answer.content)
    trust = _installed(wheel, tmp_path) / "trust"
    verify = [str(trust), "receipt", "verify", str(receipt), "--key", vkey]
    done = subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refused = subprocess.run([trust, "serve"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == CANNOT_CHECK
    assert "agent-trust-log[server]" in refused.stderr
    files = (path for path in (tmp_path / "env" / "lib").rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in files if path.suffix != ".pyc")
    assert size < 25_000_000


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel_in_an_empty_directory(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    trust = _installed(wheel, tmp_path, "[server]") / "trust"
    empty = tmp_path / "empty"
    empty.mkdir()
    subprocess.run([trust, "demo"], cwd=empty, check=True, capture_output=True, timeout=300)


def test_only_blocks_marked_sh_are_run_from_the_readme() -> None:
    text = "a\n```sh\none\ntwo\n```\n```text\nnot this\n```\n```sh\nthree\n```\n"
    assert readme_script(text) == "one\ntwo\n\nthree\n"
