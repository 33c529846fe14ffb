"""A disk that is really full: callers get 507 and nothing is decided, reads and a clean stop work, then it goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.api.house import House, found, settings_for
from tests.api.processes import serving
from tests.services.logs import check_log
from tests.services.statements import ORIGIN
from trust.cli import run
from trust.cli.failures import CANNOT_CHECK, GOOD
from trust.core.commands import Spoken
from trust.verify.receipts import parse_key

pytestmark = pytest.mark.slow
MIB = 1024 * 1024
SIZES_KIB = range(64, 2_048, 64)


class Disk:
    """A file system of its own in memory."""

    def __init__(self, path: Path, size_kib: int) -> None:
        self.path = path
        path.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", path],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            path.rmdir()
            pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")

    def grow(self, size_kib: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size_kib}k", self.path], check=True)

    def fill(self, left_bytes: int) -> Path:
        """A file that leaves so much room."""
        found = os.statvfs(self.path)
        ballast = self.path / "ballast"
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, found.f_bavail * found.f_frsize - left_bytes))
        return ballast

    def end(self) -> None:
        subprocess.run(["umount", "-l", self.path], check=True)
        self.path.rmdir()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "disk", 32 * 1024)
    yield disk
    disk.end()


def _told(home: House, spoken: Spoken) -> int:
    answer = home.post_to("/v1/tasks", spoken)
    assert answer.status_code in (201, 503, 507), answer.text
    assert answer.status_code == 201 or "retry-after" in answer.headers
    return answer.status_code


def _reads(home: House, base_url: str) -> None:
    for path in ("/v1/stats", "/v1/policy", "/log/checkpoint", "/v1/receipts/0", "/health/live"):
        assert httpx.get(base_url + path).status_code == 200, path


@pytest.mark.parametrize("reserve", [8 * MIB, 0], ids=["with a reserve", "to the last byte"])
def test_a_service_on_a_full_disk_decides_nothing_loses_nothing_and_goes_on(disk: Disk, reserve: int) -> None:
    data = disk.path / "data"
    url = f"sqlite:///{data / 'trust.db'}"
    vkey = found(settings_for(data, url), epoch_ms=600_000, score_epoch_ms=600_000)
    changes = {"disk_reserve_bytes": reserve, "requests_per_s": 0}
    with serving(data, url, vkey, changes=changes) as (running, home):
        home.settle_in()
        ballast = disk.fill(reserve // 2 or 256 * 1024)
        waiting = []
        for number in count():
            spoken = home.task_post(f"full-{number}", price_units=0)
            if _told(home, spoken) != 201:
                waiting.append(spoken)
            assert home.store(os.urandom(300_000), home.requester).status_code in (201, 503, 507)
            if len(waiting) == 20:
                break
        assert {_told(home, spoken) for spoken in waiting} <= {503, 507}
        _reads(home, running.base_url)
        if reserve:
            assert "almost full" in str(home.get("/health/ready")["warnings"])
        ballast.unlink()
        assert all(_told(home, spoken) == 201 for spoken in waiting)
        assert home.get("/health/ready")["status"] == "ready"
        print(
            f"{number - len(waiting) + 1} taken, {len(waiting)} told of the full disk, all of them taken later"
        )
        disk.fill(0)
        assert running.stop() == 0
        check_log(home.database, parse_key(vkey))
        home.database.close()


def test_commands_on_a_full_disk_say_so_and_the_next_one_ends_what_they_began(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init = ["init", "--network", ORIGIN, "--policy", "sandbox", "--data"]
    assert run([*init, str(tmp_path / "log")]) == GOOD
    vkey = (tmp_path / "log" / "log.vkey").read_text().strip()
    failed = 0
    for size_kib in SIZES_KIB:
        failed += _commands_on(tmp_path, size_kib, init, vkey, capsys)
    print(f"{failed} of {3 * len(SIZES_KIB)} commands met the end of the disk")
    assert failed > 10


def _commands_on(
    tmp_path: Path, size_kib: int, init: list[str], vkey: str, capsys: pytest.CaptureFixture[str]
) -> int:
    """How many of the commands met the end of a disk of this size."""
    failed = 0
    disk = Disk(tmp_path / f"disk-{size_kib}", size_kib)
    try:
        made, copy, files = (str(disk.path / name) for name in ("made", "copy", "files"))
        commands = [
            [*init, made],
            ["backup", copy, "--data", str(tmp_path / "log")],
            ["log", "export", files, "--data", str(tmp_path / "log"), "--vkey", vkey],
        ]
        for command in commands:
            capsys.readouterr()
            code = run(command)
            told = capsys.readouterr().err
            assert code in (GOOD, CANNOT_CHECK), told
            assert "bug" not in told, told
            if code != GOOD:
                failed += 1
                assert "full" in told or "No space" in told, told
                disk.grow(16 * 1024)
                assert run(command) == GOOD, capsys.readouterr().err
                used = os.statvfs(disk.path)
                disk.grow((used.f_blocks - used.f_bfree) * used.f_frsize // 1024 + size_kib)
        assert run(["log", "check", "--data", made]) == GOOD
        assert run(["log", "check", "--data", copy]) == GOOD
        assert run(["audit", files, "--key", vkey]) == GOOD
    finally:
        disk.end()
    return failed
