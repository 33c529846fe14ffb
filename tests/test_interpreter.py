"""A program that is forked prints, ends and dies as one that is started."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

WAITING = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"


def test_its_arguments_streams_and_exit_code_are_its_own(forked_programs: Path) -> None:
    code = "import sys; print(sys.argv[1:], input()); print('told', file=sys.stderr); sys.exit(7)"
    command = [str(forked_programs / "python"), "-c", code, "a b", ""]
    done = subprocess.run(command, input="heard\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "['a b', ''] heard\n", "told\n")


def test_a_command_is_found_by_its_name(forked_programs: Path) -> None:
    done = subprocess.run([str(forked_programs / "trust"), "nonsense"], capture_output=True, check=False)
    assert done.returncode == 2


def test_a_signal_reaches_it_and_whoever_is_killed_takes_it_along(forked_programs: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        process = subprocess.Popen(
            [str(forked_programs / "python"), "-c", WAITING], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        forked = int(process.stdout.readline())
        assert forked != process.pid
        process.send_signal(number)
        assert process.wait(timeout=30) == -number
        end = time.monotonic() + 30
        while Path(f"/proc/{forked}").exists():
            assert time.monotonic() < end
            time.sleep(0.05)
