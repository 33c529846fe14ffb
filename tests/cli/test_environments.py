"""Environments that people have: container platforms, IPv6, hosts' database addresses, buckets, bare machines."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.served import serving
from tests.factories import log_signer
from tests.services.statements import ORIGIN
from trust import __version__
from trust.cli import run, serve_checks
from trust.cli.failures import CANNOT_CHECK, FALSE, GOOD, USAGE
from trust.client.exchanges import Retry
from trust.client.wire import Request, Response
from trust.errors import Unusable
from trust.settings import Settings, SettingsError, http_address, load

VKEY = str(log_signer().verifier)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("init") / "data"
    assert run(["init", "--data", str(data), "--network", ORIGIN, "--policy", "sandbox"]) == GOOD
    return data


@pytest.mark.parametrize("link", ["tcp://10.0.0.1:8400", "udp://10.0.0.1:53", "sctp://[fd00::1]:8400"])
def test_a_platforms_link_to_a_service_called_trust_is_no_port(link: str) -> None:
    environ = {"TRUST_PORT": link, "TRUST_PORT_8400_TCP_ADDR": "10.0.0.1", "TRUST_SERVICE_PORT": "8400"}
    assert load({}, environ).port == Settings.port
    assert load({"port": 9}, environ).port == 9


def test_what_a_flag_overrules_may_be_nonsense() -> None:
    assert load({"port": 9}, {"TRUST_PORT": "nonsense"}).port == 9
    with pytest.raises(SettingsError, match="TRUST_PORT"):
        load({}, {"TRUST_PORT": "nonsense"})


@pytest.mark.parametrize(
    "given",
    ["postgres://u:p@h:5432/d", "postgresql://u:p@h:5432/d", "postgresql+psycopg2://u:p@h:5432/d",
     "postgres://u:p@h:5432/d\n", "  postgresql+psycopg://u:p@h:5432/d "],
)  # fmt: skip
def test_a_databases_address_is_taken_as_hosts_give_it(given: str) -> None:
    for settings in (load({"database": given}, {}), load({}, {"TRUST_DATABASE": given})):
        assert settings.database_url == "postgresql+psycopg://u:p@h:5432/d"


@pytest.mark.parametrize("given", ["mysql://u:secret@h/d", "h:5432/d", "sqlite", "u:secret@h"])
def test_another_address_is_refused_and_not_shown(given: str) -> None:
    with pytest.raises(SettingsError, match="postgresql://USER") as told:
        load({"database": given}, {})
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    ("host", "url"),
    [("::1", "http://[::1]:80"), ("::", "http://[::1]:80"), ("0.0.0.0", "http://127.0.0.1:80"),
     ("localhost", "http://localhost:80"), ("10.0.0.1", "http://10.0.0.1:80")],
)  # fmt: skip
def test_an_address_is_one_that_a_client_can_use(host: str, url: str) -> None:
    assert http_address(host, 80) == url


def _settings(made: Path, host: str = "127.0.0.1") -> Settings:
    return replace(load({"data": made}, {}), host=host, port=0)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_a_host_becomes_an_address_and_port_0_a_port(made: Path, host: str) -> None:
    if host == "::1" and not _has_ipv6():
        pytest.skip("no IPv6 here")
    placed = serve_checks.placed(_settings(made, host))
    assert placed.port > 0
    assert placed.host in ("127.0.0.1", "::1")


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["nowhere.invalid", "203.0.113.7"])
def test_a_host_that_is_not_here_is_named(made: Path, host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--data", str(made), "--host", host, "--port", "0"]) == CANNOT_CHECK
    told = capsys.readouterr().err
    assert host in told
    assert "bug" not in told


def test_one_process_serves_a_directory_and_the_next_waits_for_its_end(
    made: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve_checks, "WAIT_S", 0.3)
    monkeypatch.setattr(serve_checks, "LOOK_S", 0.01)
    settings = _settings(made)
    replica = replace(settings, database_url="postgresql+psycopg://elsewhere/shared")
    with serve_checks.alone(settings):
        for second in (settings, replica):
            with pytest.raises(Unusable, match="another process serves"), serve_checks.alone(second):
                pass
        assert "waiting" in capsys.readouterr().err
        assert run(["serve", "--data", str(made), "--port", "0"]) == CANNOT_CHECK
        assert "another process serves" in capsys.readouterr().err
    handle = os.open(made, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    monkeypatch.setattr("time.sleep", lambda seconds: os.close(handle))
    with serve_checks.alone(settings):
        pass


def test_a_postgresql_that_is_not_up_yet_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], made: Path
) -> None:
    monkeypatch.setattr(serve_checks, "WAIT_S", 0.2)
    monkeypatch.setattr(serve_checks, "LOOK_S", 0.05)
    url = "postgresql://u:secret@127.0.0.1:9/d"
    assert run(["serve", "--data", str(made), "--database", url, "--port", "0"]) == CANNOT_CHECK
    told = capsys.readouterr().err
    assert "waiting" in told
    assert "PostgreSQL" in told
    assert "secret" not in told
    assert "bug" not in told


@pytest.mark.parametrize(
    ("said", "may_come"),
    [("connection refused", True), ("FATAL: the database system is starting up", True),
     ("could not translate host name: Name or service not known", True),
     ('FATAL: password authentication failed for user "u"', False), ('FATAL: database "d" does not exist', False)],
)  # fmt: skip
def test_only_what_may_pass_is_waited_for(said: str, may_come: bool) -> None:
    assert serve_checks._may_come(said) is may_come


PORTAL = Response(302, b"", {"Location": "https://portal.example/login"})
PAGE = Response(200, b"<html>log in</html>", {"Content-Type": "text/html"})
PLAIN = Response(403, b"Forbidden", {"Content-Type": "text/plain"})


@pytest.mark.parametrize("answer", [PORTAL, PAGE, PLAIN], ids=["redirect", "page", "403"])
def test_a_portal_in_front_of_the_service_is_no_evidence_against_it(
    answer: Response, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Retry, "wait_ms", lambda *_: None)
    with serving(lambda request: answer) as url:
        assert run(["task", "show", "t", "--url", url, "--vkey", VKEY]) == CANNOT_CHECK
    told = capsys.readouterr().err
    assert "evidence" not in told
    assert answer is not PORTAL or "https://portal.example/login" in told


@pytest.mark.parametrize("is_sent_on", [False, True])
def test_a_portal_in_front_of_a_log_is_none_either(
    is_sent_on: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def handle(request: Request) -> Response:
        if is_sent_on and request.path != "/login":
            return Response(302, b"", {"Location": "/login"})
        return PAGE

    with serving(handle) as url:
        assert run(["audit", url, "--key", VKEY]) == CANNOT_CHECK
    told = capsys.readouterr().err
    assert "web page" in told
    assert not is_sent_on or "/login" in told


def _bucket(folder: Path, missing: int, kind: str = "application/xml") -> Callable[[Request], Response]:
    def handle(request: Request) -> Response:
        file = folder / request.path.lstrip("/")
        lacking = Response(missing, b"<Error/>", {"Content-Type": kind})
        return Response(200, file.read_bytes()) if file.is_file() else lacking

    return handle


@pytest.mark.parametrize("missing", [403, 404])
def test_a_bucket_that_says_403_for_what_is_not_there_is_a_log_like_another(
    made: Path, tmp_path: Path, missing: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["log", "export", str(tmp_path / "out"), "--data", str(made)]) == GOOD
    key = str(made / "log.vkey")
    with serving(_bucket(tmp_path / "out", missing)) as url:
        assert run(["audit", url, "--key", key]) == GOOD
    shutil.rmtree(tmp_path / "out" / "tile" / "entries")
    with serving(
        _bucket(tmp_path / "out", missing)
    ) as url:  # what it denies proves nothing; what it lacks is a lie
        assert run(["audit", url, "--key", key]) == (CANNOT_CHECK if missing == 403 else FALSE)


def test_a_web_server_that_shows_a_page_for_what_is_not_there_is_a_log_like_another(
    made: Path, tmp_path: Path
) -> None:
    assert run(["log", "export", str(tmp_path / "out" / "log"), "--data", str(made)]) == GOOD
    with serving(_bucket(tmp_path / "out", 404, "text/html")) as url:
        assert run(["audit", url, "--key", str(made / "log.vkey")]) == GOOD


BARE = """
import sys
from trust.cli import main
for line in sys.argv[1:]:
    sys.argv[1:] = line.split()
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


def _bare(commands: list[str], tmp_path: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Commands as a container runs them: no home, no locale, no time zones, few open files, closed stdin."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))

    return subprocess.run(
        [sys.executable, "-c", BARE, *commands], cwd=tmp_path, env=environ, capture_output=True, text=True,
        check=False, preexec_fn=limit, stdin=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip


def test_a_bare_machine_is_enough(tmp_path: Path) -> None:
    environ = {
        "TZ": "Nowhere/Land",
        "PYTHONTZPATH": "",
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
    }
    commands = [
        f"init --network {ORIGIN} --policy sandbox --data data",
        "log check data",
        "audit data --key data/log.vkey",
        "--version",
    ]
    done = _bare(commands, tmp_path, **environ)
    assert (done.returncode, "bug" in done.stderr) == (0, False), done.stderr
    assert done.stdout.endswith(f"{__version__}\n")


def test_what_a_terminal_cannot_show_is_shown_by_its_number(tmp_path: Path) -> None:
    done = _bare(["policy check 東京"], tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="1")
    assert done.returncode == USAGE
    assert "\\u6771" in done.stderr


def test_a_full_stdout_is_told(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    command = f"exec {sys.executable} -c 'from trust.cli import main; main()' policy check sandbox >/dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, "disk is full" in done.stderr) == (CANNOT_CHECK, True), done.stderr


def test_as_many_files_may_be_open_as_the_machine_allows() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, before[1]), before[1]))
        serve_checks.raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(serve_checks.OPEN_FILES, before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_variable_that_is_set_to_nothing_is_not_set(
    made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATA", "DATABASE", "URL", "VKEY", "KEY", "PORT"):
        monkeypatch.setenv(f"TRUST_{name}", "")
    assert run(["task", "cancel", "t"]) == USAGE
    assert "--key" in capsys.readouterr().err
    assert run(["log", "check"]) == CANNOT_CHECK
    assert "trust-data" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a?b #1 %20 é", "-a'b;c&d=e ü\u0308 100%"])
def test_a_data_directory_may_have_any_name(name: str, tmp_path: Path) -> None:
    data = tmp_path / name
    assert run(["init", "--network", ORIGIN, "--policy", "sandbox", "--data", str(data)]) == GOOD
    assert run(["log", "check", str(data)]) == GOOD
    assert run(["audit", str(data), "--key", str(data / "log.vkey")]) == GOOD
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("key", ["", ".", "/"])
def test_what_is_no_key_file_is_no_bug(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["task", "cancel", "t", "--key", key, "--url", "http://127.0.0.1:9", "--vkey", VKEY]) != GOOD
    assert "bug" not in capsys.readouterr().err


def test_a_limit_that_an_audit_meets_is_waited_for(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(["log", "export", str(tmp_path / "out"), "--data", str(made)]) == GOOD
    waits: list[float] = []
    monkeypatch.setattr("time.sleep", waits.append)
    bucket, turn = _bucket(tmp_path / "out", 404), iter(range(1_000))

    def handle(request: Request) -> Response:
        if next(turn) % 8 < 7:
            return Response(429, b"", {"Retry-After": "3"})
        return bucket(request)

    with serving(handle) as url:
        assert run(["audit", url, "--key", str(made / "log.vkey")]) == GOOD
    assert set(waits) == {3.0}


def test_a_receipt_may_go_to_a_device(tmp_path: Path) -> None:
    from trust.files import write_whole

    command = "from pathlib import Path; from trust.files import write_whole; write_whole(Path('/dev/stdout'), b'x')"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"x")
    write_whole(Path("/dev/null"), b"x")
    assert not Path("/dev/null").is_file()
