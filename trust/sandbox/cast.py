"""The cast of the demo and their tasks: all that is chosen by hand stands here.

Twelve agents: a requester, nine reviewers who work and check, a liar who delivers without working, and a verifier that
commits and never reveals. Two panels of three and five take eight verifiers beside the worker, so ten are enrolled.
"""

from __future__ import annotations

from dataclasses import dataclass

TASK_KIND = "code-review"
REQUESTER = "rosa"
REVIEWERS = ("ada", "bob", "cleo", "dan", "eve", "finn", "gus", "hal", "ivy")
LIAR = "lars"
SILENT = "mute"
EVERYONE = (REQUESTER, *REVIEWERS, LIAR, SILENT)
VERIFIERS = (*REVIEWERS, SILENT)
OPERATOR = "operator"
COORDINATOR = "coordinator"

PRICE_UNITS = 100
BATCH_PRICE_UNITS = 400
STAKE_UNITS = 200
VERIFIER_STAKE_UNITS = 4_000
DEPOSIT_UNITS = 20_000
OPERATOR_BOND_UNITS = 10_000
BATCH_FILES = 200
MAX_EXTRA_TASKS = 24
DEADLINE_MS = 600_000
LEASE_MS = 120_000
EXCLUSIVE_MS = 15_000


@dataclass(frozen=True, slots=True)
class Job:
    """One task: its id, its file ("" for the batch), who goes for it, and who after somebody failed on it.

    Where `places` is given, the relay lets the draw decide who of all that offer such work may claim it first.
    """

    task: str
    file: str
    first: tuple[str, ...]
    again: tuple[str, ...] = ("ivy",)
    places: int = 0


RACE = Job("review-argparse", "argparse.py", ("ada", "bob"))
SECOND = Job("review-dataclasses", "dataclasses.py", ())  # for whoever loses the race
BATCH = Job("review-stdlib-200", "", ("cleo",))
LIE = Job("review-codecs", "codecs.py", (LIAR,), ("dan",))
DRAWN = Job("review-textwrap", "textwrap.py", REVIEWERS[:-1], places=4)  # three who may be drawn take none
SINGLES = (
    Job("review-configparser", "configparser.py", ("eve",)),
    Job("review-strptime", "_strptime.py", ("finn",)),
    Job("review-pyio", "_pyio.py", ("gus",)),
    Job("review-calendar", "calendar.py", ("hal",)),
    Job("review-functools", "functools.py", ("ivy",), ("hal",)),
)
JOBS = (RACE, SECOND, BATCH, LIE, DRAWN, *SINGLES)
EXTRA_FILES = ("ast.py", "bdb.py", "cmd.py", "copy.py", "csv.py", "enum.py")
FILES = (*(job.file for job in JOBS if job.file), *EXTRA_FILES)
EXTRA_WORKERS = ("hal", "gus", "eve", "finn")


def extra(number: int) -> Job:
    """A further task, for as long as the silent verifier has not been drawn."""
    file = EXTRA_FILES[number % len(EXTRA_FILES)]
    return Job(f"review-extra-{number}", file, (EXTRA_WORKERS[number % len(EXTRA_WORKERS)],))
