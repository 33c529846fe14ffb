"""An owner's command: its limits, and that it never outlives the program that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.api.processes import ROOT
from trust.programs.command import Limits, run

TELL = "import os,sys,time; open(sys.argv[1],'w').write(str(os.getpid())); time.sleep(60)"


def until_told(path: Path) -> int:
    """The process that a command wrote down."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.01)
    raise AssertionError(f"nothing told {path}")


def is_gone(process: int) -> bool:
    """Whether a process has ended; who waits for it may not have noticed."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes by /proc")
def test_a_command_and_what_it_started_die_with_a_program_that_is_killed(tmp_path: Path) -> None:
    inner = [sys.executable, "-I", "-S", "-c", TELL]
    started = f"import subprocess,sys; subprocess.Popen({[*inner, str(tmp_path / 'grandchild')]!r}); " + TELL
    command = [sys.executable, "-I", "-S", "-c", started, str(tmp_path / "child")]
    code = f"from trust.programs.command import Limits, run; run({command!r}, {{}}, {{}}, Limits())"
    program = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, start_new_session=True)
    try:
        found = [until_told(tmp_path / name) for name in ("child", "grandchild")]
        os.kill(program.pid, signal.SIGKILL)
        assert [each for each in found if not is_gone(each)] == []
    finally:
        program.kill()
        program.wait()


def test_a_command_waits_for_its_own_children_alone_and_its_status_is_its_own() -> None:
    alone = "import os,sys\ntry: os.wait()\nexcept ChildProcessError: sys.exit(7)"
    done = run([sys.executable, "-I", "-S", "-c", alone], {}, {}, Limits())
    assert (done.status, done.stderr) == (7, b"")
    ended = run([sys.executable, "-I", "-S", "-c", "import os; os.kill(os.getpid(), 15)"], {}, {}, Limits())
    assert (ended.status, ended.why) == (-15, "it was ended by SIGTERM")


def test_what_a_command_leaves_running_ends_with_it(tmp_path: Path) -> None:
    inner = [sys.executable, "-I", "-S", "-c", TELL, str(tmp_path / "left")]
    leaving = (
        f"import subprocess,os,time; subprocess.Popen({inner!r})\n"
        f"while not os.path.exists({str(tmp_path / 'left')!r}): time.sleep(0.01)"
    )
    assert run([sys.executable, "-I", "-S", "-c", leaving], {}, {}, Limits()).status == 0
    assert is_gone(until_told(tmp_path / "left"))


def test_limits_hold_from_the_first_moment() -> None:
    grows = run(
        [sys.executable, "-I", "-S", "-c", "x = bytearray(1 << 30)"], {}, {}, Limits(memory_bytes=256 << 20)
    )
    assert "MemoryError" in grows.failure
    writes = "open('output/big','wb').write(bytes(2_000_000))"
    assert run([sys.executable, "-I", "-S", "-c", writes], {}, {}, Limits(file_bytes=1_000_000)).failure
    hangs = run(
        [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"], {}, {}, Limits(seconds=0.3)
    )
    assert "within 0.3 s" in hangs.failure


def test_what_is_no_program_is_said_to_be_none(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("\x00\x01")
    broken.chmod(0o700)
    for command in ("no-such-program-anywhere", str(tmp_path), str(broken)):
        assert "cannot be run" in run([command], {}, {}, Limits()).failure
