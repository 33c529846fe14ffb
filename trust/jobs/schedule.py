"""The jobs of one process, on their intervals and at every commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import SQLAlchemyError

from trust.errors import TrustError
from trust.services.notifying import Notifier

LOOK_S = 1.0
_log = structlog.get_logger("trust.jobs")


@dataclass(frozen=True)
class Job:
    """`call` is made every `interval_ms`, and after each commit where it is `prompt`; never twice at a time."""

    name: str
    interval_ms: int
    call: Callable[[], object]
    prompt: bool = False
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def run(self) -> None:
        """Makes the call; what goes wrong is logged, and tried again at the next turn."""
        with self._turn:
            try:
                self.call()
            except (TrustError, SQLAlchemyError) as error:
                _log.warning("job put off", job=self.name, reason=str(error).splitlines()[0])
            except Exception as error:
                _log.error("job failed", job=self.name, exc_info=error)


class Schedule:
    """Runs jobs in the background until it is stopped."""

    def __init__(self, jobs: Sequence[Job], notifier: Notifier) -> None:
        self._notifier = notifier
        self._prompt = [job for job in jobs if job.prompt]
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        for job in jobs:
            self._scheduler.add_job(job.run, "interval", seconds=job.interval_ms / 1_000, id=job.name)
        self._stopping = False
        self._thread = threading.Thread(target=self._follow, name="jobs", daemon=True)

    def start(self) -> None:
        """Starts the intervals, and looks at once at what a crash left undone."""
        self._scheduler.start()
        self._thread.start()

    def stop(self) -> None:
        """Ends after the calls that are being made."""
        self._stopping = True
        self._notifier.nudge()
        if self._thread.is_alive():
            self._thread.join()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _follow(self) -> None:
        """After each commit the prompt jobs; commits during a turn make one more turn."""
        size = -1
        while not self._stopping:
            size = self._notifier.wait(size, LOOK_S)
            for job in self._prompt:
                if not self._stopping:
                    job.run()
