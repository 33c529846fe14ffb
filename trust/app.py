"""The composition root: settings become a database, a sequencer, jobs and the API; nothing else puts parts together.

At the start it refuses what would do harm later: a database without a log, keys that are not the log's, a database
that is behind the head that was signed last (a restored backup would fork the log).
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from litestar import Litestar

from trust import clock, journal
from trust.api.application import application
from trust.api.edge import Edge
from trust.api.service import Service
from trust.api.telemetry import Telemetry
from trust.core.events import NETWORK
from trust.core.identity import did_of, key_of
from trust.core.records import Network
from trust.core.tasks import MAX_TASK_MS
from trust.errors import TrustError
from trust.jobs.schedule import Job, Schedule
from trust.log import ed25519
from trust.log.note import NoteError, Signer, Verifier
from trust.services import continuing
from trust.services.admission import Admission
from trust.services.blobs import Blobs, missing
from trust.services.continuing import Word
from trust.services.cosigning import Cosigning
from trust.services.drawing import Drawing, seal_pools
from trust.services.elsewhere import Elsewhere
from trust.services.founding import HEAD_FILE, seeds
from trust.services.graph import Graph
from trust.services.headcopy import HeadCopy
from trust.services.interpreter import tune
from trust.services.notifying import Notifier
from trust.services.room import Room
from trust.services.scoreproofs import ScoreProofs
from trust.services.scrubbing import Scrub
from trust.services.sequencing import Limits, Sequencer
from trust.services.timekeeping import CLOCK_FILE, Timekeeping
from trust.services.verifying import Verifying
from trust.services.vitals import VitalSigns
from trust.settings import Settings, SettingsError, load
from trust.storage.engine import Database, file_of
from trust.storage.holdings import clock_skew_ms
from trust.storage.migrations import upgrade
from trust.storage.reading import reading
from trust.storage.unit import Head

INTERVAL_MS = 1_000
FOLLOW_MS = 250
CLOCK_MS = 10_000
PRUNE_MS = 3_600_000
GRAPH_MS = 60_000
BACKGROUND_READERS = 5  # the writer, the jobs, the witnesses
BUSY_STATEMENTS = 100  # in batches that callers wait for: draws give way
KEEP_BLOBS_MS = 2 * MAX_TASK_MS
"""A blob may be needed for as long as a task can run, and through the disputes after it."""
MAX_INBOX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class App:
    """One process's parts. `start` and `stop` run what is beside the API; the API's lifespan calls them."""

    settings: Settings
    database: Database
    sequencer: Sequencer
    verifying: Verifying
    service: Service
    schedule: Schedule
    cosigning: Cosigning
    timekeeping: Timekeeping
    head_copy: HeadCopy
    readers: ThreadPoolExecutor
    word: Word
    told: list[str]
    started: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Starts the writer and the jobs, once; TrustError where the log may not be written."""
        if self.started.is_set():
            return
        self.timekeeping.start()
        data_dir = self.settings.data_dir
        told = continuing.check(self.database, data_dir, self.head_copy, self.cosigning, self.word)
        self.told.extend(told)
        self.sequencer.start()
        continuing.taken_over(data_dir)
        with reading(self.database) as reader:
            head = reader.head()
        self.service.notifier.committed(head.size)
        self.head_copy.start(head)
        self.schedule.start()
        self.cosigning.start()
        self.started.set()

    def stop(self) -> None:
        """Answers what was asked, then ends."""
        self.service.notifier.close()
        self.cosigning.stop()
        self.schedule.stop()
        self.sequencer.stop()
        self.head_copy.stop()
        self.verifying.close()
        self.readers.shutdown()
        self.database.close()

    def asgi(self) -> Edge:
        """The API; its lifespan starts and stops the parts."""

        @asynccontextmanager
        async def lifespan(_: Litestar) -> AsyncIterator[None]:
            await asyncio.to_thread(self.start)
            try:
                yield
            finally:
                await asyncio.to_thread(self.stop)

        return application(self.service, [lifespan])


def build(settings: Settings, word: Word | None = None) -> App:
    """Puts the parts together, and checks that they fit the log in the database; nothing runs yet."""
    log_seeds, draw_seeds = settings.keys("log"), settings.keys("draw")
    if not log_seeds or not draw_seeds:
        seeds(settings)  # says which is missing
    upgrade(settings.database_url)
    database = Database(settings.database_url, settings.reader_threads + BACKGROUND_READERS)
    network = _network(database)
    _check_key("log", network.log_key, log_seeds)
    _check_key("draw", network.draw_key, draw_seeds)

    notifier, word = Notifier(), word or Word()
    head_copy = HeadCopy(settings.head_copy)
    timekeeping = Timekeeping(settings.data_dir / CLOCK_FILE, database, accept=word.trust_clock)
    room, scrub = Room(_directories(settings), settings.disk_reserve_bytes), Scrub(database)
    sequencer = _sequencer(settings, database, network, (notifier, head_copy), word, room)
    readers = ThreadPoolExecutor(settings.reader_threads, thread_name_prefix="read")
    verifying = Verifying()
    admission = Admission(sequencer, verifying, database, readers, missing)
    drawing = Drawing(
        database,
        sequencer,
        draw_seeds,
        lambda: admission.in_hand >= BUSY_STATEMENTS,
        lambda: _keys_now(settings, "draw"),
    )
    blobs = Blobs(database, settings.blob_max_bytes, room=room.check)
    graph = Graph()
    cosigning = Cosigning(
        database, notifier, settings.witnesses, settings.witness_interval_ms, on_quorum=notifier.nudge
    )
    vitals, told = VitalSigns(), list[str]()
    for sign in (
        sequencer.sign,
        verifying.sign,
        cosigning.sign,
        *([head_copy.sign] if head_copy.place else []),
    ):
        vitals.add(sign)
    service = Service(
        settings=settings,
        database=database,
        sequencer=sequencer,
        admission=admission,
        blobs=blobs,
        notifier=notifier,
        scores=ScoreProofs(),
        elsewhere=Elsewhere(database, recognised(settings)),
        cosigning=cosigning,
        telemetry=Telemetry(),
        vitals=vitals,
        graph=graph,
        readers=readers,
        notices=lambda: (*told, *room.warnings(), *scrub.warnings()),
        scrub=scrub,
        vkey=str(Verifier(network.origin, key_of(network.log_key))),
    )
    jobs = [
        *_jobs(database, sequencer, notifier, blobs, drawing, graph),
        Job("clock", CLOCK_MS, timekeeping.keep),
        Job("scrub", INTERVAL_MS, scrub.turn),
    ]
    schedule = Schedule(jobs, notifier, vitals)
    parts = sequencer, verifying, service, schedule, cosigning, timekeeping, head_copy, readers
    return App(settings, database, *parts, word, told)


def _sequencer(
    settings: Settings,
    database: Database,
    network: Network,
    followers: tuple[Notifier, HeadCopy],
    word: Word,
    room: Room,
) -> Sequencer:
    notifier, head_copy = followers

    def signers() -> list[Signer]:
        return [Signer(network.origin, seed) for seed in _keys_now(settings, "log")]

    def grew(head: Head) -> None:
        notifier.committed(head.size)
        head_copy.take(head)

    return Sequencer(
        database,
        signers(),
        settings.data_dir / HEAD_FILE,
        more_signers=signers,
        limits=_limits(settings),
        skew_ms=clock_skew_ms,
        take_over=word.take_over,
        on_append=grew,
        room=room.check,
    )


def _jobs(
    database: Database,
    sequencer: Sequencer,
    notifier: Notifier,
    blobs: Blobs,
    drawing: Drawing,
    graph: Graph,
) -> list[Job]:
    def follow() -> None:
        with reading(database) as reader:
            notifier.committed(reader.head().size)

    return [
        Job("seals", INTERVAL_MS, lambda: seal_pools(database, sequencer), prompt=True),
        Job("draws", INTERVAL_MS, drawing.run, prompt=True),
        Job("due", INTERVAL_MS, sequencer.tick),
        Job("checkpoint", FOLLOW_MS, follow),
        Job("graph", GRAPH_MS, lambda: graph.renew(database)),
        Job("blobs", PRUNE_MS, lambda: blobs.forget(clock.now_ms() - KEEP_BLOBS_MS)),
    ]


def _directories(settings: Settings) -> list[Path]:
    """Where what this process writes lies."""
    file = file_of(settings.database_url)
    return [settings.data_dir, *([file.parent] if file is not None else [])]


def _limits(settings: Settings) -> Limits:
    return Limits(
        inbox_statements=settings.inbox_max_statements,
        inbox_bytes=MAX_INBOX_BYTES,
        batch_statements=settings.batch_max_statements,
    )


def recognised(settings: Settings) -> list[Verifier]:
    """The keys of the other networks whose scores are shown; SettingsError where one is no vkey."""
    try:
        return [Verifier.parse(vkey) for vkey in settings.recognises]
    except NoteError as error:
        raise SettingsError(f"recognises: {error}") from error


def _network(database: Database) -> Network:
    with reading(database) as reader:
        network = reader.record(Network, NETWORK)
    if network is None:
        raise TrustError(
            "log-frozen", "the database holds no log yet", hint="make one first: trust init --data DIR"
        )
    return network


def _keys_now(settings: Settings, use: str) -> tuple[bytes, ...]:
    """The keys that lie there while the service runs; one that cannot be read is said, and harms no other."""
    try:
        return settings.keys(use)
    except (SettingsError, OSError) as error:
        journal.logger("trust").error("a key cannot be read", use=use, error=str(error))
        return ()


def _check_key(use: str, expected: str, seeds: Sequence[bytes]) -> None:
    held = [did_of(ed25519.public_key(seed)) for seed in seeds]
    if expected not in held:
        raise TrustError(
            "log-frozen",
            f"the log names {expected} as its {use} key, and the key here is {' or '.join(held)}",
            hint="this is another network's key or database: bring the two that belong together",
        )


def create() -> Edge:
    """The API of this process's settings: the factory for an ASGI server (`granian --factory trust.app:create`)."""
    journal.configure()
    tune()
    return build(load()).asgi()


def serve(settings: Settings, word: Word | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then answers what was asked and ends.

    The server runs inside this process, with no worker beside it: whatever kills the process kills all of it, so a
    restart never makes a second writer.
    """
    journal.configure()
    app = build(settings, word)
    tune()
    app.start()  # before there is a server: what the service refuses to start for is told as it is
    asyncio.run(_serve(app))


async def _serve(app: App) -> None:
    settings = app.settings
    server = Server(
        app.asgi(),
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=1_024,
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        app.service.notifier.close()  # ends the streams of events, which would keep the server up
        server.stop()  # type: ignore[no-untyped-call]

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop)
    journal.logger("trust").info(
        "serving", url=f"http://{settings.host}:{settings.port}", vkey=app.service.vkey
    )
    await server.serve()
