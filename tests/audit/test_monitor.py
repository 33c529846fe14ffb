"""A monitor shouts at a fork, a rollback, a stale log and a key in use; and its evidence convicts by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.house import found, settings_for
from tests.api.processes import serving
from tests.audit.networks import World, did, publish, signer
from trust.audit import monitor
from trust.audit.fetching import DirectorySource, HttpSource, Source
from trust.audit.monitor import Alarm, Looked, Pace, Watcher
from trust.audit.report import CannotCheck
from trust.cli import run
from trust.cli.backup import copy_database
from trust.cli.failures import CANNOT_CHECK, FALSE, GOOD, USAGE
from trust.log.tiles import TilePath
from trust.verify.failures import NotProven
from trust.verify.files import verify_file
from trust.verify.forks import Fork, verify_fork

KEY = signer().verifier
NOW_MS = 1_700_000_000_000
Watch = Callable[..., Watcher]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A watcher of the log in `tmp_path / "log"`, which tests put there and exchange."""

    def made(**options: object) -> Watcher:
        opened: Callable[[], Source] = lambda: DirectorySource(tmp_path / "log")  # noqa: E731
        return Watcher(opened, KEY, tmp_path / "state", **options)  # type: ignore[arg-type]

    return made


def put(tmp_path: Path, entries: list[bytes], name: str = "log") -> Path:
    """A log of these entries, under the log's key."""
    return publish(tmp_path / "log", entries, signer(name))


def alarm(found: Alarm | None, kind: str) -> Alarm:
    """The alarm of this kind."""
    assert found is not None
    assert found.kind == kind
    return found


@pytest.mark.parametrize("sizes", [(1, 2, 3), (255, 256, 257), (100, 300, 300)])
def test_a_log_that_grows_is_good(world: World, watch: Watch, tmp_path: Path, sizes: tuple[int, ...]) -> None:
    for size in sizes:
        put(tmp_path, world.entries[:size])
        watcher = watch(stale_ms=60_000)
        assert watcher.poll(NOW_MS) is None
        assert watcher.last is not None
        assert watcher.last.size == size


@pytest.mark.parametrize("size", [1, 256, 290])
def test_two_roots_of_one_size_are_a_fork_and_both_notes_are_kept(
    world: World, watch: Watch, tmp_path: Path, size: int
) -> None:
    put(tmp_path, world.entries[:size])
    assert watch().poll(NOW_MS) is None
    put(tmp_path, [*world.entries[: size - 1], world.entries[299]])
    found = alarm(watch().poll(NOW_MS), "fork")
    convicted = verify_fork(Path(found.evidence).read_bytes(), KEY)
    assert (convicted.size, convicted.signed_size) == (size, size)
    assert convicted.held != convicted.other


def test_a_fork_is_told_with_its_evidence_although_the_disk_is_full(
    world: World, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, world.entries[:5])
    assert watch().poll(NOW_MS) is None
    put(tmp_path, [*world.entries[:4], world.entries[5]])
    monkeypatch.setattr(monitor, "write_whole", _full)
    found = alarm(watch().poll(NOW_MS), "fork")
    assert "No space" in found.reason
    assert found.evidence == ""
    assert verify_fork(found.unwritten.encode(), KEY).size == 5


def test_a_look_that_cannot_be_remembered_is_told_and_loses_no_alarm(
    world: World, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uses = [index for index, data in enumerate(world.entries) if f'"keyid":"{did("lena")}"'.encode() in data]
    put(tmp_path, world.entries[: uses[0]])
    watcher = watch(keys=frozenset({did("lena")}))
    monkeypatch.setattr(monitor, "write_whole", _full)
    with pytest.raises(CannotCheck, match="cannot be written: No space"):
        watcher.poll(NOW_MS)
    put(tmp_path, world.entries)
    assert alarm(watcher.poll(NOW_MS), "key-used").index == uses[0]


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("size", [1, 128, 255, 256, 257, 299])
@pytest.mark.parametrize("changed", [0, -1])
def test_a_longer_log_that_does_not_begin_with_the_last_one_is_a_fork_and_its_proof_convicts(
    world: World, watch: Watch, tmp_path: Path, size: int, changed: int
) -> None:
    put(tmp_path, world.entries[:size])
    assert watch().poll(NOW_MS) is None
    entries = list(world.entries)
    entries[changed % size] = entries[299]
    put(tmp_path, entries)
    for _ in range(2):  # the last good checkpoint stays, and with it the alarm
        found = alarm(watch().poll(NOW_MS), "fork")
    convicted = verify_fork(Path(found.evidence).read_bytes(), KEY)
    assert (convicted.size, convicted.signed_size) == (size, 300)


def test_a_log_that_shrinks_raises_the_alarm_until_it_is_back(
    world: World, watch: Watch, tmp_path: Path
) -> None:
    put(tmp_path, world.entries)
    assert watch().poll(NOW_MS) is None
    put(tmp_path, world.entries[:299])
    found = alarm(watch().poll(NOW_MS), "rollback")
    assert "300 entries, now it has 299" in found.reason
    with pytest.raises(NotProven, match="consistency proof"):
        verify_fork(Path(found.evidence).read_bytes(), KEY)
    put(tmp_path, world.entries)
    assert watch().poll(NOW_MS) is None


def test_a_log_that_does_not_grow_is_stale(world: World, watch: Watch, tmp_path: Path) -> None:
    put(tmp_path, world.entries[:10])
    assert watch(stale_ms=60_000).poll(NOW_MS) is None
    assert watch(stale_ms=60_000).poll(NOW_MS + 60_000) is None
    alarm(watch(stale_ms=60_000).poll(NOW_MS + 60_001), "stale")
    assert watch().poll(NOW_MS + 60_001) is None
    put(tmp_path, world.entries[:11])
    assert watch(stale_ms=60_000).poll(NOW_MS + 120_000) is None


def test_a_watched_key_raises_the_alarm_once_for_each_use(world: World, watch: Watch, tmp_path: Path) -> None:
    uses = [index for index, data in enumerate(world.entries) if f'"keyid":"{did("lena")}"'.encode() in data]
    first, last = uses[0], uses[-1]
    put(tmp_path, world.entries[:first])
    keys = frozenset({did("lena")})
    assert watch(keys=keys).poll(NOW_MS) is None
    put(tmp_path, world.entries[: last + 1])
    found = alarm(watch(keys=keys).poll(NOW_MS), "key-used")
    assert found.index == first
    assert did("lena") in found.reason
    put(tmp_path, world.entries)
    assert watch(keys=keys).poll(NOW_MS) is None


def test_an_entry_cannot_be_kept_from_who_watches_a_key(world: World, watch: Watch, tmp_path: Path) -> None:
    put(tmp_path, world.entries[:2])
    keys = frozenset({did("lena")})
    watch(keys=keys).poll(NOW_MS)
    log = put(tmp_path, world.entries)
    bundle = log / str(TilePath(None, 0))
    bundle.write_bytes(bundle.read_bytes().replace(did("lena").encode(), did("bob").encode()))
    alarm(watch(keys=keys).poll(NOW_MS), "unproven")
    bundle.write_bytes(b"")
    with pytest.raises(CannotCheck, match="entry 2"):
        watch(keys=keys).poll(NOW_MS)


def test_an_entry_that_this_release_cannot_read_counts_for_whom_it_names() -> None:
    keys = frozenset({did("bob"), did("lena")})
    assert monitor._signers(b'{"v":2,"by":"' + did("bob").encode(), keys) == {did("bob")}
    assert monitor._signers(b"\xff", keys) == frozenset()


@pytest.mark.parametrize("name", ["tile/0/001.p/44", "tile/1/000.p/1"])
@pytest.mark.parametrize("data", [b"", b"\0" * 32, b"\0" * 8_192, b"\0" * 8_193])
def test_tiles_that_lead_nowhere_are_alarming_and_change_nothing(
    world: World, watch: Watch, tmp_path: Path, name: str, data: bytes
) -> None:
    put(tmp_path, world.entries[:257])
    watch().poll(NOW_MS)
    kept = (tmp_path / "state").read_bytes()
    (put(tmp_path, world.entries) / name).write_bytes(data)
    alarm(watch().poll(NOW_MS), "unproven")
    assert (tmp_path / "state").read_bytes() == kept


def test_a_log_without_tiles_cannot_be_checked(world: World, watch: Watch, tmp_path: Path) -> None:
    put(tmp_path, world.entries[:5])
    watch().poll(NOW_MS)
    log = put(tmp_path, world.entries)
    for tile in [path for path in (log / "tile").rglob("*") if path.is_file()]:
        tile.unlink()
    with pytest.raises(CannotCheck, match="does not serve tile"):
        watch().poll(NOW_MS)


@pytest.mark.parametrize(
    "note", [b"", b"hello", b"\xff\xfe", b"a\n1\nb\n\n" + b"\xe2\x80\x94 x y\n" * 70_000, b"\n" * 2**20]
)
def test_an_answer_that_is_no_checkpoint_says_nothing(
    world: World, watch: Watch, tmp_path: Path, note: bytes
) -> None:
    (put(tmp_path, world.entries[:5]) / "checkpoint").write_bytes(note)
    with pytest.raises(CannotCheck):
        watch().poll(NOW_MS)
    put(tmp_path, world.entries[:5], "mallory")
    with pytest.raises(CannotCheck, match="no known key"):
        watch().poll(NOW_MS)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("state", [b"", b"{}", b"[1]", b'{"key":"other"}', b"\xff"])
def test_a_state_that_is_none_or_another_logs_is_not_written_over(
    world: World, watch: Watch, tmp_path: Path, state: bytes
) -> None:
    (tmp_path / "state").write_bytes(state)
    with pytest.raises(CannotCheck):
        watch()
    assert (tmp_path / "state").read_bytes() == state


# -- evidence


def test_evidence_that_was_changed_or_is_of_one_tree_convicts_nobody(world: World, tmp_path: Path) -> None:
    one, other = world.checkpoint(), (put(tmp_path, world.entries[:299]) / "checkpoint").read_bytes()
    for fork in (Fork.of(one, one), Fork.of(other, one), Fork.of(one, other), Fork.of(one, other, bytes(32))):
        with pytest.raises(NotProven):
            verify_fork(fork.encode(), KEY)
    forged = world.checkpoint().replace(b"\n300\n", b"\n301\n")
    with pytest.raises(NotProven, match="does not verify"):
        verify_fork(Fork.of(one, forged).encode(), KEY)


@pytest.mark.parametrize(
    "data",
    [
        b'{"evidence":"fork"}',
        b'{"evidence":"theft","notes":["",""]}',
        b'{"evidence":"fork","notes":["","",""]}',
        b'{"evidence":"fork","notes":["",""],"more":1}',
        b'{"evidence":"fork","evidence":"fork","notes":["",""]}',
        b'{"evidence":"fork","notes":["\\ud800",""]}',
        b'{"evidence":"fork","notes":["",""],"root":"AB=="}',
        b'{"evidence":[[[[[[[[]]]]]]]]}',
    ],
)
def test_evidence_that_is_malformed_is_refused_in_words(data: bytes) -> None:
    with pytest.raises(NotProven):
        verify_file(data, KEY)


# -- for days


def source_of(*answers: object) -> Callable[[], Source]:
    """Sources that fail or answer, one after the other; the last for ever."""
    left = list(answers)

    def opened() -> Source:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return DirectorySource(Path(str(answer)))

    return opened


def test_a_log_without_an_answer_is_looked_at_again_until_patience_ends(world: World, tmp_path: Path) -> None:
    log = put(tmp_path, world.entries[:5])
    gone, told, waits = CannotCheck("gone"), list[Looked](), list[float]()

    def pause(wait_s: float) -> None:
        waits.append(wait_s)
        if len(waits) == 3:
            raise KeyboardInterrupt

    watcher = Watcher(source_of(gone, log, gone), KEY, tmp_path / "state")
    with pytest.raises(KeyboardInterrupt):
        monitor.watch(watcher, Pace(2_000, 60_000), told.append, pause)
    assert waits == [2.0] * 3
    assert [(looked.size, looked.problem) for looked in told] == [(0, "gone"), (5, ""), (5, "gone")]
    with pytest.raises(CannotCheck, match="gone"):
        monitor.watch(watcher, Pace(1, -1), told.append, pause)


@pytest.mark.parametrize(("status", "told"), [(204, ""), (500, "status 500")])
def test_a_webhook_gets_the_alarm_as_json(monkeypatch: pytest.MonkeyPatch, status: int, told: str) -> None:
    sent: list[Any] = []

    def taken(url: str, *, content: bytes, headers: dict[str, str], timeout: float) -> httpx.Response:
        sent.append((url, json.loads(content), headers["Content-Type"]))
        return httpx.Response(status)

    monkeypatch.setattr("httpx.post", taken)
    raised = Alarm("stale", "log.example.org", "it did not grow", NOW_MS, 5)
    assert monitor.post("https://ops.example.org/hook", raised) == told
    ((url, alarm, content_type),) = sent
    assert (url, content_type) == ("https://ops.example.org/hook", "application/json")
    assert (alarm["kind"], alarm["size"], alarm["reason"]) == ("stale", 5, "it did not grow")


def test_a_webhook_that_does_not_answer_is_told_and_stops_nothing() -> None:
    assert "refused" in monitor.post("http://127.0.0.1:9", {})
    assert monitor.post("http://[::1", {})


def test_a_server_that_answers_with_errors_cannot_be_checked(tmp_path: Path) -> None:
    def failing() -> Source:
        return HttpSource("https://x.example", httpx.MockTransport(lambda _: httpx.Response(500)), pause_s=0)

    with pytest.raises(CannotCheck, match="500"):
        Watcher(failing, KEY, tmp_path / "state").poll(NOW_MS)


# -- the command


def test_the_command_exits_1_on_a_fork_and_its_evidence_verifies_offline(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, state = str(put(tmp_path, world.entries[:280])), str(tmp_path / "state")
    command = ["log", "watch", log, "--state", state, "--key", str(KEY), "--once"]
    assert run(command) == GOOD
    assert "good: 280 entries" in capsys.readouterr().out
    put(tmp_path, [world.entries[1], *world.entries[1:]])
    assert run([*command, "--json", "--webhook", "http://127.0.0.1:9"]) == FALSE
    told = capsys.readouterr()
    assert "ALARM fork" in told.err
    assert "webhook" in told.err
    evidence = json.loads(told.out)["evidence"]
    assert run(["receipt", "verify", evidence, "--key", str(KEY), "--json"]) == GOOD
    facts = json.loads(capsys.readouterr().out)
    assert (facts["verified"], facts["size"], facts["signed_size"]) == ("fork", 280, 300)
    assert run(["receipt", "verify", evidence, "--key", str(signer("mallory").verifier)]) == FALSE


def test_the_command_exits_1_within_one_look_when_the_log_is_an_older_copy(
    world: World, tmp_path: Path
) -> None:
    log, state = str(put(tmp_path, world.entries)), str(tmp_path / "state")
    command = ["log", "watch", log, "--state", state, "--key", str(KEY)]
    assert run([*command, "--once"]) == GOOD
    put(tmp_path, world.entries[:200])
    assert run(command) == FALSE


def test_the_command_exits_3_without_an_answer_and_2_on_wrong_usage(tmp_path: Path) -> None:
    command = ["log", "watch", str(tmp_path / "nowhere"), "--state", str(tmp_path / "s"), "--key", str(KEY)]
    assert run([*command, "--once"]) == CANNOT_CHECK
    assert run([*command, "--patience", "1ms", "--interval", "5ms"]) == CANNOT_CHECK
    for wrong in (["--key-of", "bob"], ["--webhook", "ftp://x"], ["--interval", "fast"], ["--stale", "1"]):
        assert run([*command, *wrong]) == USAGE


@pytest.mark.journey
def test_a_service_whose_database_is_an_older_copy_is_told_within_one_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, state = tmp_path / "data", tmp_path / "state"
    data.mkdir()
    database = f"sqlite:///{data / 'trust.db'}"
    vkey = found(settings_for(data, database))
    copy_database(data / "trust.db", tmp_path / "older.db")
    older_head = (data / "head").read_bytes()

    def watched(url: str) -> int:
        return run(["log", "watch", url, "--state", str(state), "--key", vkey, "--once"])

    with serving(data, database, vkey) as (running, home):
        assert watched(running.base_url) == GOOD
        home.settle_in()
        assert watched(running.base_url) == GOOD
        assert running.stop() == 0
    for file in data.iterdir():
        file.unlink()
    (data / "head").write_bytes(older_head)  # this operator wants nobody to know
    (tmp_path / "older.db").rename(data / "trust.db")
    with serving(data, database, vkey) as (running, home):
        assert watched(running.base_url) == FALSE
        assert "ALARM rollback" in capsys.readouterr().err
        home.settle_in()
        for _ in range(12):  # more entries than there were: seals come as their epochs end, early or late
            home.done("/v1/stakes", home.deposit(home.requester.did, 1))
        assert watched(running.base_url) == FALSE
        assert "ALARM fork" in capsys.readouterr().err
