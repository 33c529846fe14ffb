"""Single claims over HTTP: each for a task of its own, signed before, sent by wrk on 32 connections on the same cores.

And what a claim costs on a long log: two services take turns, one over a thousand entries and one over a million.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import sleep
from typing import NamedTuple

import msgspec

from tests.benchmarks.filling import BATCH, FilledLog
from tests.benchmarks.served import Served
from tests.benchmarks.table import Row, at_least, at_most, figure, skipped
from trust.core import envelope
from trust.core.commands import Spoken

CONNECTIONS = 32
RESERVE = CONNECTIONS + 1  # wrk makes one request for itself
MOST_S = 300
SCRIPT = Path(__file__).with_name("claims.lua")
GOAL_PER_S = 500
GOAL_P99_MS = 100
GOAL_GROWTH = 1.2
GOAL_RSS_MB = 300
ROUNDS = 3


class Load(msgspec.Struct, frozen=True):
    """What wrk saw of one run."""

    answered: int
    took_us: int
    p50_us: int
    p99_us: int
    failed: int

    @property
    def per_s(self) -> float:
        return self.answered / self.took_us * 1_000_000


class Cost(NamedTuple):
    """What one claim took: of time with 32 of them under way, and of the service's processors."""

    wall_us: float
    cpu_us: float


def run(quick: bool) -> list[Row]:
    """Rate and latency on SQLite."""
    what = f"single claims over HTTP, {CONNECTIONS} connections"
    if reason := _no_wrk():
        return [skipped(what, reason)]
    with TemporaryDirectory() as folder, _serving(Path(folder), BATCH, 4_000 if quick else 12_000) as served:
        service, (bodies,) = served
        load = _load(service, bodies)
    p99_ms, p50_ms = load.p99_us / 1_000, load.p50_us / 1_000
    return [
        at_least(what, f"{load.per_s:,.0f}/s", f"{GOAL_PER_S}/s", load.per_s / GOAL_PER_S, 1.0),
        at_most(
            f"{what}, p99",
            f"{p99_ms:.0f} ms (p50 {p50_ms:.0f} ms)",
            f"{GOAL_P99_MS} ms",
            p99_ms / GOAL_P99_MS,
        ),
        at_most(f"{what}, errors", f"{load.failed} of {load.answered:,}", "none", load.failed, 0.0),
    ]


def grown(quick: bool) -> list[Row]:
    """What a claim costs, and what the process holds of memory, on a long log."""
    entries, claims = (100_000, 1_000) if quick else (1_000_000, 4_000)
    what = f"a claim at {entries:,} entries, against one at {BATCH:,}"
    if reason := _no_wrk():
        return [skipped(what, reason)]
    with (
        TemporaryDirectory() as there,
        TemporaryDirectory() as here,
        _serving(Path(there), entries, *[claims] * ROUNDS) as (large, many),
        _serving(Path(here), BATCH, *[claims] * ROUNDS) as (small, few),
    ):
        costs = [(_cost(large, there), _cost(small, here)) for there, here in zip(many, few, strict=True)]
        peak_mb = large.peak_rss_bytes / 1_000_000
    after, before = (Cost(*map(median, zip(*each, strict=True))) for each in zip(*costs, strict=True))
    wall, cpu = after.wall_us / before.wall_us, after.cpu_us / before.cpu_us
    return [
        at_most(what, f"{after.wall_us:.0f} us", f"{before.wall_us:.0f} us", wall, GOAL_GROWTH),
        figure("the same, time on processors", f"{after.cpu_us:.0f} us", f"{before.cpu_us:.0f} us", cpu),
        at_most(
            f"memory of the service at {entries:,} entries",
            f"{peak_mb:.0f} MB at its peak",
            f"{GOAL_RSS_MB} MB",
            peak_mb / GOAL_RSS_MB,
        ),
    ]


def _no_wrk() -> str:
    return "" if shutil.which("wrk") else "there is no wrk here (apt-get install wrk)"


@contextmanager
def _serving(directory: Path, entries: int, *claims: int) -> Iterator[tuple[Served, list[Path]]]:
    """A service over a log of so many entries, and files of so many claims that nobody made yet."""
    url = f"sqlite:///{directory}/trust.db"
    filled = FilledLog(url, directory)
    filled.grow(entries)
    files = [directory / f"claims-{number}" for number in range(len(claims))]
    for file, count in zip(files, claims, strict=True):
        file.write_bytes(b"".join(_line(each) for each in filled.signed_claims(count)))
    filled.close()
    with Served(filled.town, directory, url) as service:
        yield service, files


def _line(statement: Spoken) -> bytes:
    return envelope.encode(statement.signed.envelope) + b"\n"


def _load(service: Served, bodies: Path) -> Load:
    """Posts every body but a reserve of as many as there are connections."""
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{MOST_S}s",
        "--timeout",
        "30s",
        "-s",
        str(SCRIPT),
        service.url,
    ]
    arguments = ["--", str(bodies), str(RESERVE)]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as wrk:
        assert wrk.stderr is not None
        wrk.stderr.readline()
        while wrk.poll() is None:
            wrk.send_signal(signal.SIGINT)
            sleep(0.1)
        return msgspec.json.decode(wrk.stderr.read().splitlines()[-1], type=Load)


def _cost(service: Served, bodies: Path) -> Cost:
    before_s = service.cpu_s
    load = _load(service, bodies)
    assert not load.failed, f"{load.failed} of {load.answered} claims failed"
    return Cost(load.took_us / load.answered, (service.cpu_s - before_s) / load.answered * 1_000_000)
