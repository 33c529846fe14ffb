"""What is done while file calls fail in turn: `python -m tests.faults.lives NAME DIRECTORY CONTROL`, by `calls.run`."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sqlite3
import sys
from collections import Counter
from itertools import count
from pathlib import Path

import httpx

from tests.api.house import found, settings_for
from tests.api.processes import serving
from tests.faults.calls import Calls
from tests.services.houses import House
from tests.services.logs import check_log
from tests.services.statements import ORIGIN, Party
from tests.tables import make_tables
from tests.witness.logs import ORIGIN as WITNESSED
from tests.witness.logs import WITNESS, AskingLog, log_key
from trust import cli
from trust.cli.failures import CANNOT_CHECK, GOOD, USAGE
from trust.client.statements import did_of_seed
from trust.core.commands import Incoming
from trust.errors import TrustError
from trust.log.checkpoint import Checkpoint
from trust.log.note import open_note, parse_note
from trust.services.inbox import Submission
from trust.services.receipts import Receipt
from trust.settings import read_seed
from trust.storage.engine import Database
from trust.verify.forks import verify_fork
from trust.witness.store import Store
from trust.witness.witness import Witness

INIT = ["init", "--network", ORIGIN, "--policy", "sandbox", "--data"]


class Runs:
    """Commands of this process, and the calls that failed in them by name."""

    def __init__(self, control: Path) -> None:
        self.calls = Calls(control)
        self.failed: Counter[str] = Counter()

    def run(self, *arguments: str) -> tuple[int, str]:
        """The exit code and what was said."""
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            code = cli.run(list(arguments))
        return code, said.getvalue()

    def good(self, *arguments: str) -> None:
        code, said = self.run(*arguments)
        assert code == GOOD, (arguments, self.calls.name, said)

    def failing(self, call: int, *arguments: str) -> bool:
        """Whether a command went well although this call failed; where it did not it said so as it is."""
        with self.calls.at(call):
            code, said = self.run(*arguments)
        if self.calls.struck:
            self.failed[self.calls.name] += 1
        assert "bug" not in said, (call, self.calls.name, said)
        assert "Traceback" not in said, (call, self.calls.name, said)
        assert code in (GOOD, CANNOT_CHECK, USAGE) or "log-frozen" in said, (
            call,
            code,
            self.calls.name,
            said,
        )
        return code == GOOD


def init(data: Path, runs: Runs) -> None:
    """What a failed init began, the next one ends."""
    for call in runs.calls.turns():
        made = data / str(call)
        if not runs.failing(call, *INIT, str(made)):
            runs.good(*INIT, str(made))
        runs.good("log", "check", "--data", str(made))
        shutil.rmtree(made)


def backup(data: Path, runs: Runs) -> None:
    """A backup is whole or has no name."""
    runs.good(*INIT, str(data / "log"))
    for call in runs.calls.turns():
        copy = data / f"copy-{call}"
        is_good = runs.failing(call, "backup", str(copy), "--data", str(data / "log"))
        assert copy.exists() or not is_good
        if not copy.exists():
            runs.good("backup", str(copy), "--data", str(data / "log"))
        runs.good("log", "check", "--data", str(copy))
        shutil.rmtree(copy)


def export(data: Path, runs: Runs) -> None:
    """What a failed export left is a log or none, and the next one ends it."""
    house, _ = _a_log(data / "log", tasks=300)
    vkey = str(house.town.log.verifier)
    for call in runs.calls.turns():
        folder = data / f"files-{call}"
        exporting = (
            "log",
            "export",
            str(folder),
            "--vkey",
            vkey,
            "--data",
            str(data / "log"),
        )
        is_good = runs.failing(call, *exporting)
        if is_good or (folder / "checkpoint").exists():
            runs.good("audit", str(folder), "--key", vkey)
        runs.good(*exporting)
        shutil.rmtree(folder)
    house.database.close()


def adopt(data: Path, runs: Runs) -> None:
    """A new key is in the data directory before the log names it, and a failed command is run again."""
    preloaded = {name: os.environ.pop(name) for name in ("LD_PRELOAD", "FAULTS_CONTROL", "FAULTS_UNDER")}
    del preloaded
    log = data / "log"
    settings = settings_for(log, f"sqlite:///{log / 'trust.db'}")
    vkey = found(settings)
    (log / "log.vkey").write_text(vkey + "\n")
    for name in ("log", "draw", "operator"):
        path = log / f"{name}.key"
        path.write_text(Party(name).seed.hex() + "\n")
        path.chmod(0o600)
    with serving(log, settings.database_url, vkey, changes={"requests_per_s": 0}) as (running, _):
        asked = ("--url", running.base_url, "--data", str(log), "--key", str(log / "operator.key"))
        for use in ("draw", "log"):
            for call in runs.calls.turns():
                before = _key_of(running.base_url, use)
                if not runs.failing(call, "keys", "adopt", use, *asked):
                    runs.good("keys", "adopt", use, *asked)
                assert _key_of(running.base_url, use) != before
                assert httpx.get(f"{running.base_url}/health/ready").status_code == 200
                left = [path.read_bytes()[:200] for path in log.glob("operator.key.unanswered/*")]
                assert not left, (call, runs.calls.name, left)
                _forget(log, running.base_url, use)
    runs.good("log", "check", "--data", str(log))


def _forget(log: Path, base_url: str, use: str) -> None:
    """Leaves one key of a use, so that the next run makes as many calls as the one before."""
    for path in log.glob(f"{use}-*.key"):
        if did_of_seed(read_seed(path)) != _key_of(base_url, use):
            path.unlink()
    (log / "log.vkey").write_text(httpx.get(f"{base_url}/version").json()["vkey"] + "\n")


def _key_of(base_url: str, use: str) -> str:
    return str(httpx.get(f"{base_url}/v1/policy").json()[f"{use}_key"])


def append(data: Path, runs: Runs) -> None:
    """What a service that goes on could not write is not decided; the same bytes again are, once."""
    house, _ = _a_log(data / "log", tasks=0)
    town = house.town

    def is_done(command: Incoming) -> bool:
        submission = Submission([command])
        house.sequencer.serve([submission])
        error = submission.answer.exception(timeout=0)
        assert error is None or isinstance(error, TrustError), error
        assert error is None or error.code in ("overloaded", "storage-full"), (error, runs.calls.name)
        return error is None and isinstance(submission.answer.result()[0], Receipt)

    for number in range(40):
        said = town.post(f"task-{number}")
        fresh = number % 4 == 3
        for call in count(1):
            if fresh:
                house.database.readers.dispose()
                house.database.writers.dispose()
            with runs.calls.at(call):
                done = is_done(said)
            if runs.calls.struck:
                runs.failed[runs.calls.name] += 1
            if done:
                assert is_done(said)
            if not runs.calls.struck:
                assert done
                break
            if done:
                said = town.post(f"task-{number}-{call}")
    check_log(house.database, town.log.verifier)
    house.database.close()


def start(data: Path, runs: Runs) -> None:
    """A service whose start fails starts the next time."""
    house, url = _a_log(data / "log", tasks=300)
    house.database.close()
    for call in runs.calls.turns():
        database = Database(url)
        again = House(database, data / "log", town=house.town)
        with runs.calls.at(call), contextlib.suppress(Exception):
            again.sequencer.open()
        if runs.calls.struck:
            runs.failed[runs.calls.name] += 1
        database.close()
        database = Database(url)
        again = House(database, data / "log", town=house.town)
        again.sequencer.open()
        again.receipts(house.town.post(f"later-{call}"))
        database.close()


def witness(data: Path, runs: Runs) -> None:
    """What is cosigned is on the disk; a fork is told, and its evidence is written in the end."""
    for call in runs.calls.turns():
        folder = data / f"made-{call}"
        making = ("witness", "init", "--name", "witness.example.org/w", "--data", str(folder))
        if not runs.failing(call, *making):
            runs.good(*making)
        adding = ("witness", "add-log", str(log_key().verifier), "--origin", WITNESSED, "--data", str(folder))
        if not runs.failing(call, *adding):
            runs.good(*adding)
        shutil.rmtree(folder)
    _cosign(data / "cosigns", runs)


def _cosign(folder: Path, runs: Runs) -> None:
    folder.mkdir()
    Store.create(folder / "witness.db")
    store = Store(folder / "witness.db")
    store.add_log(WITNESSED, log_key().verifier)
    witness, log, forked, size = Witness(store, WITNESS, folder), AskingLog(), AskingLog(fork=b"x"), 0
    for call in runs.calls.turns():
        body = log.body(size, size + 1)
        with runs.calls.at(call):
            cosigned = _cosigned(witness, body, log.note(size + 1))
        if runs.calls.struck:
            runs.failed[runs.calls.name] += 1
        held = Store(folder / "witness.db").held(WITNESSED)
        reached = Checkpoint.parse(parse_note(held)[0]).size if held else 0
        assert reached == size + 1 if cosigned else reached in (size, size + 1)
        if reached == size:
            assert _cosigned(witness, body, log.note(size + 1))
        size += 1
    for call in runs.calls.turns():
        lie = forked.body(size, size)
        with runs.calls.at(call):
            _cosigned(witness, lie, forked.note(size))
        if runs.calls.struck:
            runs.failed[runs.calls.name] += 1
        witness.add_checkpoint(lie)
        [path] = folder.glob("fork-*.json")
        assert verify_fork(path.read_bytes(), log_key().verifier).size == size
        path.unlink()
    store.close()


def _cosigned(witness: Witness, body: bytes, note: bytes) -> bool:
    try:
        answer = witness.add_checkpoint(body)
    except (sqlite3.Error, OSError):
        return False
    if answer.status == 200:
        open_note(note + answer.body, [WITNESS.verifier])
    return answer.status == 200


def _a_log(directory: Path, tasks: int) -> tuple[House, str]:
    directory.mkdir()
    url = f"sqlite:///{directory / 'trust.db'}"
    make_tables(url)
    house = House(Database(url), directory).found()
    for first in range(0, tasks, 50):
        house.receipts(*(house.town.post(f"before-{number}") for number in range(first, first + 50)))
    return house, url


LIVES = {each.__name__: each for each in (init, backup, export, adopt, append, start, witness)}


def main(name: str, data: str, control: str) -> None:
    runs = Runs(Path(control))
    LIVES[name](Path(data), runs)
    assert runs.failed.total() > 5, runs.failed
    print(f"{name}: {runs.failed.total()} calls failed:", dict(runs.failed.most_common()))


if __name__ == "__main__":
    main(*sys.argv[1:])
