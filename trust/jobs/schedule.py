"""The jobs of one process, on their intervals and at every commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from trust import clock, journal
from trust.errors import TrustError
from trust.services.liveness import Sign, VitalSigns, keep_on
from trust.services.notifying import Notifier
from trust.storage import faults

LOOK_S = 10.0
PATIENCE_MS = 60_000
PATIENT_INTERVALS = 3
_log = journal.logger("trust.jobs")


@dataclass(frozen=True)
class Job:
    """`call` is made every `interval_ms`, and after each commit where it is `prompt`; never twice at a time."""

    name: str
    interval_ms: int
    call: Callable[[], object]
    prompt: bool = False
    sign: Sign = field(init=False, repr=False, compare=False)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __post_init__(self) -> None:
        patience_ms = max(PATIENCE_MS, PATIENT_INTERVALS * self.interval_ms)
        object.__setattr__(self, "sign", Sign(f"job {self.name}", patience_ms, vital=False))

    def run(self) -> None:
        """Makes the call; what goes wrong is told, and tried again at the next turn."""
        with self._turn:
            try:
                self.call()
            except Exception as error:
                self.sign.fail(error)
                if isinstance(error, TrustError | clock.InDoubt) or faults.is_storage_fault(error):
                    _log.warning("job put off", job=self.name, reason=journal.plain(error))
                else:
                    _log.error("job failed", job=self.name, exc_info=error)
            else:
                self.sign.beat()


class Schedule:
    """Runs jobs in the background until it is stopped."""

    def __init__(self, jobs: Sequence[Job], notifier: Notifier, vitals: VitalSigns | None = None) -> None:
        self._notifier = notifier
        self._jobs = jobs
        self._sign = Sign("jobs' thread", PATIENCE_MS)
        for sign in (self._sign, *(job.sign for job in jobs)):
            (vitals or VitalSigns()).add(sign)
        self._prompt = [job for job in jobs if job.prompt]
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(2)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone="UTC",
        )
        for job in jobs:
            self._scheduler.add_job(job.run, "interval", seconds=job.interval_ms / 1_000, id=job.name)
        self._stopping = threading.Event()
        self._size = -1
        self._thread = threading.Thread(target=self._follow, name="jobs", daemon=True)

    def start(self) -> None:
        """Starts the intervals, and looks at once at what a crash left undone."""
        for job in self._jobs:
            job.sign.begin()
        self._scheduler.start()
        self._thread.start()

    def stop(self) -> None:
        """Ends after the calls that are being made."""
        self._stopping.set()
        self._notifier.nudge()
        if self._thread.is_alive():
            self._thread.join()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _follow(self) -> None:
        keep_on(self._sign, self._run_prompt, self._stopping.wait)

    def _run_prompt(self) -> bool:
        """After each commit the prompt jobs; commits during a turn make one more turn."""
        self._size = self._notifier.wait(self._size, LOOK_S)
        for job in self._prompt:
            if not self._stopping.is_set():
                job.run()
        self._sign.beat()
        return not self._stopping.is_set()
