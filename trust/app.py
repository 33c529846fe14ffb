"""The composition root: settings become a database, a sequencer, jobs and the API; nothing else puts parts together.

At the start it refuses what would do harm later: a database without a log, keys that are not the log's, a database
that is behind the head that was signed last (a restored backup would fork the log).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from trust import __version__, clock, journal, spans
from trust.api.application import application
from trust.api.callers import Places
from trust.api.edge import Edge
from trust.api.feed import Feed
from trust.api.server import HttpServer, Place
from trust.api.service import Service
from trust.api.telemetry import Telemetry
from trust.api.views import stream
from trust.core.events import NETWORK
from trust.core.identity import did_of, key_of
from trust.core.records import Network
from trust.core.rules.tasks import MAX_TASK_MS
from trust.errors import TrustError
from trust.interpreter_tuning import tune
from trust.jobs.schedule import Job, Schedule
from trust.log import ed25519
from trust.log.note import NoteError, Signer, Verifier
from trust.services import startup_checks
from trust.services.admission import Admission
from trust.services.blobs import Blobs, Quotas, missing
from trust.services.cosigning import Cosigning
from trust.services.disk_space import Room
from trust.services.drawing import Drawing, seal_pools
from trust.services.foreign_scores import ForeignScores
from trust.services.genesis import HEAD_FILE, seeds
from trust.services.graph_renewal import Graph
from trust.services.headcopy import HeadCopy
from trust.services.liveness import VitalSigns
from trust.services.notifying import Notifier
from trust.services.scoreproofs import ScoreProofs
from trust.services.scrub import Scrub
from trust.services.sequencing import Limits, Sequencer
from trust.services.signature_checks import Verifying
from trust.services.startup_checks import Word
from trust.services.timekeeping import CLOCK_FILE, Timekeeping
from trust.settings import Settings, SettingsError, http_address, load
from trust.stopping import Stopping
from trust.storage.engine import Database, file_of
from trust.storage.holdings import clock_skew_ms
from trust.storage.migrations import upgrade
from trust.storage.reading import reading
from trust.storage.unit import Head
from trust.web.pages import pages

INTERVAL_MS = 1_000
FOLLOW_MS = 250
END_MS = 5_000
"""How long the parts may take to end when the callers have gone."""
CLOCK_MS = 10_000
PRUNE_MS = 3_600_000
UNNAMED_MS = 60_000
GRAPH_MS = 60_000
BACKGROUND_READERS = 5  # the writer, the jobs, the witnesses
BUSY_STATEMENTS = 100  # in batches that callers wait for: draws give way
KEEP_BLOBS_MS = 2 * MAX_TASK_MS
"""A blob may be needed for as long as a task can run, and through the disputes after it."""
MAX_INBOX_BYTES = 64 * 1024 * 1024


class Safeguards:
    """The safeguards of the log beside the writer: its clock, its head's second place, room, and what rots."""

    def __init__(self, settings: Settings, database: Database, word: Word) -> None:
        self._data_dir = settings.data_dir
        self.word = word
        self.head_copy = HeadCopy(settings.head_copy)
        self.timekeeping = Timekeeping(settings.data_dir / CLOCK_FILE, database, accept=word.trust_clock)
        self.room = Room(_directories(settings), settings.disk_reserve_bytes)
        self.scrub = Scrub(database)
        self._notices: tuple[str, ...] = ()

    def check(self, database: Database, cosigning: Cosigning) -> None:
        """TrustError where this process must not go on with the log."""
        self.timekeeping.start()
        self._notices = startup_checks.check(database, self._data_dir, self.head_copy, cosigning, self.word)

    def notices(self, cosigning: Cosigning) -> tuple[str, ...]:
        """Returns notices for the operator; what was told at the start holds until a witness has cosigned."""
        is_cosigned = any(each.good_ago_ms >= 0 for each in cosigning.quorum_state().witnesses)
        return (*(() if is_cosigned else self._notices), *self.room.warnings(), *self.scrub.warnings())


T = TypeVar("T")


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
    safeguards: Safeguards
    readers: ThreadPoolExecutor

    def start(self) -> None:
        """Starts the writer and the jobs; TrustError where the log may not be written."""
        self.safeguards.check(self.database, self.cosigning)
        self.sequencer.start()
        startup_checks.taken_over(self.settings.data_dir)
        with reading(self.database) as reader:
            head = reader.head()
        self.service.notifier.committed(head.size)
        self.safeguards.head_copy.start(head)
        self.schedule.start()
        self.cosigning.start()

    def stop(self) -> None:
        """Answers what was asked, then ends."""
        self.service.notifier.close()
        self.cosigning.stop()
        self.schedule.stop()
        self.sequencer.stop()
        self.safeguards.head_copy.stop()
        self.verifying.close()
        self.readers.shutdown()
        self.database.close()

    def asgi(self) -> Edge:
        """The API; its lifespan starts and stops the parts."""
        return application(self.service, self.running, pages())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The parts run meanwhile."""
        await asyncio.to_thread(self.start)
        try:
            yield
        finally:
            await asyncio.to_thread(self.stop)


def build(settings: Settings, word: Word | None = None) -> App:
    """Brings the tables up to date, checks that keys and log fit together, and puts the parts together.

    The thread that verifies signatures starts here; the writer, the jobs and the witnesses' thread start with `start`.
    """
    log_seeds, draw_seeds = settings.keys("log"), settings.keys("draw")
    if not log_seeds or not draw_seeds:
        seeds(settings)  # says which is missing
    upgrade(settings.database_url)
    database = Database(settings.database_url, settings.reader_threads + BACKGROUND_READERS)
    network = _network(database)
    _check_key("log", network.log_key, log_seeds)
    _check_key("draw", network.draw_key, draw_seeds)

    notifier, safeguards = Notifier(), Safeguards(settings, database, word or Word())
    sequencer = _sequencer(settings, database, network, notifier, safeguards)
    readers = ThreadPoolExecutor(settings.reader_threads, thread_name_prefix="read")
    verifying = Verifying()
    drawing = Drawing(
        database,
        sequencer,
        draw_seeds,
        lambda: admission.in_hand >= BUSY_STATEMENTS,
        lambda: _keys_now(settings, "draw"),
    )
    blobs = Blobs(database, _quotas(settings), room=safeguards.room.check)
    graph = Graph()
    cosigning = Cosigning(
        database,
        notifier,
        settings.witnesses,
        settings.witness_interval_ms,
        on_quorum=notifier.nudge,
        refresh_ms=settings.witness_refresh_ms,
    )
    admission = Admission(sequencer, verifying, database, readers, missing, cosigning.holds_claims)
    vitals = VitalSigns()
    for sign in (sequencer.sign, verifying.sign, cosigning.sign, safeguards.head_copy.sign):
        vitals.add(sign)
    service = Service(
        settings=settings,
        database=database,
        sequencer=sequencer,
        admission=admission,
        blobs=blobs,
        notifier=notifier,
        scores=ScoreProofs(),
        foreign_scores=ForeignScores(database, recognised(settings)),
        cosigning=cosigning,
        telemetry=Telemetry(),
        vitals=vitals,
        scrub=safeguards.scrub,
        notices=lambda: safeguards.notices(cosigning),
        graph=graph,
        readers=readers,
        vkey=str(Verifier(network.origin, key_of(network.log_key))),
        streams=Places(settings.streams_max, settings.streams_per_caller, "streams of events"),
        feed=_feed(notifier, database, readers),
    )
    jobs = [*_jobs(database, sequencer, notifier, blobs, drawing, graph), *_chores(safeguards)]
    schedule = Schedule(jobs, notifier, vitals)
    return App(settings, database, sequencer, verifying, service, schedule, cosigning, safeguards, readers)


def _sequencer(
    settings: Settings, database: Database, network: Network, notifier: Notifier, safeguards: Safeguards
) -> Sequencer:
    def signers() -> list[Signer]:
        return [Signer(network.origin, seed) for seed in _keys_now(settings, "log")]

    def grew(head: Head) -> None:
        notifier.committed(head.size)
        safeguards.head_copy.take(head)

    return Sequencer(
        database,
        signers(),
        settings.data_dir / HEAD_FILE,
        more_signers=signers,
        limits=_limits(settings),
        skew_ms=clock_skew_ms,
        take_over=safeguards.word.take_over,
        on_append=grew,
        room=safeguards.room.check,
    )


def _chores(safeguards: Safeguards) -> list[Job]:
    return [
        Job("clock", CLOCK_MS, safeguards.timekeeping.keep),
        Job("scrub", INTERVAL_MS, safeguards.scrub.turn),
    ]


def _directories(settings: Settings) -> list[Path]:
    """Where what this process writes lies."""
    file = file_of(settings.database_url)
    return [settings.data_dir, *([file.parent] if file is not None else [])]


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
        Job("unnamed blobs", UNNAMED_MS, blobs.forget_unnamed),
    ]


def _feed(notifier: Notifier, database: Database, readers: ThreadPoolExecutor) -> Feed:
    def on_reader(view: Callable[..., T]) -> Callable[..., Awaitable[T]]:
        def read(*args: Any) -> T:
            with reading(database) as reader:
                return view(reader, *args)

        async def asked(*args: Any) -> T:
            return await asyncio.get_running_loop().run_in_executor(readers, read, *args)

        return asked

    return Feed(notifier, on_reader(stream.stream_events), skip=on_reader(stream.first_wanted))


def _quotas(settings: Settings) -> Quotas:
    return Quotas(
        blob=settings.blob_max_bytes,
        unnamed_of_party=settings.blob_unnamed_bytes,
        unnamed_in_all=settings.blob_unnamed_max_bytes,
        of_party=settings.blob_party_bytes,
        unnamed_ms=settings.blob_unnamed_ms,
    )


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
    """Serves until SIGTERM or SIGINT, then answers what was asked and ends: callers have `drain_ms`, the rest `END_MS`.

    The server runs inside this process, with no worker beside it: whatever kills the process kills all of it, so a
    restart never makes a second writer.
    """
    stopping = Stopping(settings.drain_ms + END_MS)
    stopping.begin()
    journal.configure()
    if settings.otlp:
        spans.begin(settings.otlp, __version__)
    app = build(settings, word)
    tune()
    asyncio.run(_serve(app, stopping))


async def _serve(app: App, stopping: Stopping) -> None:
    settings = app.settings
    place = Place(settings.host, settings.port, settings.connections_max, settings.connections_per_caller)
    server = HttpServer(application(app.service, pages=pages()), place, settings.drain_ms)

    def stop() -> None:
        app.service.notifier.close()  # ends the streams of events, which would keep the server up
        server.stop()

    async with app.running():
        stopping.through(stop)
        journal.logger("trust").info(
            "serving", url=http_address(settings.host, server.port), vkey=app.service.vkey
        )
        await server.serve()
