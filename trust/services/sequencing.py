"""THE WRITE PATH: inbox -> batch -> decide -> append -> one transaction -> receipts (docs/architecture.md 4).

One thread of this process writes, `Sequencer._sequence` reads top to bottom, and its numbers are those of the
design. The head row's lock is the only coordination: replicas do the same, in turns. Recovery after a crash is the
normal path, because every batch starts from what is committed.

- Fatal: a head that does not extend what this process has seen, or a log key that it does not hold. It freezes:
  every statement gets `log-frozen` until an operator has found out why.
- Not fatal: a storage that failed, or a clock that is in doubt. Nothing was decided; callers get `overloaded`,
  `storage-full` or `clock-in-doubt` and send again. Whatever a batch learned before it failed is forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from trust import clock, interpreter_tuning, journal, spans
from trust.core import rulebook
from trust.core.commands import Incoming
from trust.core.entry import Genesis
from trust.core.events import NETWORK
from trust.core.identity import did_of
from trust.core.records import Network
from trust.errors import TrustError
from trust.log import merkle
from trust.log.checkpoint import Checkpoint
from trust.log.merkle import leaf_hash
from trust.log.note import Signer, sign_note
from trust.log.tiles import TILE_WIDTH, FullTile, TreeEdge
from trust.services import batch_spans
from trust.services.batch import Answer, Batch, Denied, Logged
from trust.services.headfile import HeadFile
from trust.services.inbox import Inbox, Submission
from trust.services.liveness import RETRY_S, Sign, keep_on
from trust.services.receipts import Outcome, Receipt, Refusal, refusal_note, stored_receipt
from trust.storage import faults
from trust.storage.engine import Database
from trust.storage.reading import Reader, reading
from trust.storage.state import SqlView
from trust.storage.unit import CommitUnknown, Head, Unit, unit

_log = journal.logger("trust.sequencing")

HOPS = 4
CATCH_UP_ENTRIES = 65_536
LOOK_MS = 1_000
PATIENCE_MS = 60_000
"""A batch may wait for the head's lock, and settle a thousand entries, before somebody should look at the writer."""
MAX_SKEW_MS = 2_000
MAX_BEHIND_MS = 60_000
"""How far the log's last entry may be ahead of the clock: then one of the two is wrong, and statements would expire."""


@dataclass(frozen=True)
class Limits:
    """Limits of one batch and of the queue before it."""

    inbox_statements: int = 4_096
    inbox_bytes: int = 64 * 1024 * 1024
    batch_statements: int = 2_000
    batch_bytes: int = 4 * 1024 * 1024
    clock_entries: int = 1_024


@dataclass
class Figures:
    """Counted since the process started."""

    batches: int = 0
    entries: int = 0
    refusals: int = 0
    repeats: int = 0
    misses: int = 0


class _Stopped(Exception):
    """The process is stopping while the database is out of reach."""


class Sequencer:
    """Decides what is submitted, in order, and appends it to the log.

    `signers` are the log keys that this process holds; the one that the log names signs. Where it is not among them,
    it may be one of `more_signers`, which are asked for then. `now_ms` raises `clock.InDoubt` where there is no time to
    go by; `skew_ms` says how far a time is ahead of the database's own clock. `take_over` is the operator's word that
    the log goes on from this database although there is no head file. `after_step` is told that step 9, 11, 12 or 13
    is done, and may kill the process there; `on_append` that the log has grown. `room` raises TrustError where there is
    no room for what callers say.

    From `start` on, `figures`, `frozen`, `_lacking`, `_signers`, `_head_file`, `_view`, `_edge` and `_next_due_ms` are
    owned by the sequencer thread: it alone writes them. Other threads read `figures` and `frozen`, which may be a batch
    old, and set `_next_due_ms` to None.
    """

    def __init__(
        self,
        database: Database,
        signers: Sequence[Signer],
        head_file: Path,
        *,
        limits: Limits | None = None,
        now_ms: Callable[[], int] = clock.sure_ms,
        skew_ms: Callable[[Connection, int], int] = lambda _connection, _now_ms: 0,
        take_over: bool = False,
        more_signers: Callable[[], Sequence[Signer]] = tuple,
        after_step: Callable[[int], None] = lambda _: None,
        on_append: Callable[[Head], None] = lambda _: None,
        room: Callable[[], None] = lambda: None,
    ) -> None:
        self.figures = Figures()
        self.frozen = self._lacking = ""
        self.sign = Sign("writer", PATIENCE_MS)
        self._database = database
        self._signers = _by_did(signers)
        self._more_signers = more_signers
        self._head_file = HeadFile(head_file)
        self._limits = limits or Limits()
        self._now_ms = now_ms
        self._skew_ms = skew_ms
        self._take_over_log = take_over
        self._after_step = after_step
        self._on_append = on_append
        self.batch_ms = 0  # what the last turn took
        self._room = room
        self._inbox = Inbox(
            self._limits.inbox_statements, self._limits.inbox_bytes
        )  # shared, has its own lock
        self._view = SqlView()
        self._edge = TreeEdge()
        self._next_due_ms: int | None = None  # `tick` sets it to None from any thread
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)

    # -- what others call

    def start(self) -> None:
        """Checks that the database is the one this process knows, and starts to write."""
        self.open()
        interpreter_tuning.tune()
        self._thread.start()

    def open(self) -> None:
        """Checks the database and takes up the tree's edge; TrustError `log-frozen` where it is not as it was left."""
        with reading(self._database) as reader:
            self._head_file.open(reader, take_over=self._take_over_log)
            head = reader.head()
            self._edge = TreeEdge.load(head.size, reader.leaf_hashes, reader.tile)
        if self._edge.root() != head.root:
            raise TrustError("log-frozen", f"the tree of {head.size} entries does not have the head's root")

    def create(self, genesis: Genesis) -> Receipt:
        """Writes entry 0 of an empty log, in the calling thread."""
        if self._edge.size:
            raise TrustError("already-done", "this log has its genesis")
        submission = Submission([genesis])
        self.serve([submission])
        outcome = submission.answer.result()[0]
        if isinstance(outcome, Refusal):
            raise TrustError(outcome.code, outcome.detail)
        return outcome

    def submit(self, commands: Sequence[Incoming]) -> Future[list[Outcome]]:
        """Queues commands whose signatures hold (step 4); one outcome for each, in order, all of one batch."""
        self._refuse_frozen()
        submission = Submission(commands, trace=spans.here())
        self._inbox.put(submission)
        return submission.answer

    def tick(self) -> None:
        """Has the writer look at what is due; safe at any time and from any thread."""
        self._next_due_ms = None
        self._inbox.wake()

    def stop(self) -> None:
        """Decides what waits, then ends the thread. Later submissions get `shutting-down`."""
        self._inbox.close()
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def waiting(self) -> int:
        """How many statements wait to be decided."""
        return len(self._inbox)

    # -- the writer's thread

    def _run(self) -> None:
        try:
            keep_on(self.sign, self._turn, self._stopping.wait)
        finally:
            self._inbox.close()
            while left := self._inbox.take(1, 0, 0):
                _fail(left, TrustError("shutting-down"))

    def _turn(self) -> bool:
        """Waits for something to do and does it; False when it is all over."""
        limits = self._limits
        # 5. Batch: what waits, up to the limits; none when something is due.
        taken = self._inbox.take(limits.batch_statements, limits.batch_bytes, self._idle_ms() / 1_000)
        if taken is None:
            return False
        wanted = [submission for submission in taken if submission.answer.set_running_or_notify_cancel()]
        try:
            if not wanted and self._idle_ms() > 0:
                self.sign.beat()
            elif not self.serve(wanted) and not wanted:
                self._stopping.wait(RETRY_S)  # what is due stays due: not in a tight loop
        except BaseException as error:
            _fail(wanted, error)
            raise
        return True

    def _idle_ms(self) -> int:
        """How long there is nothing to settle, as far as is known; others may set timers, so a second at most."""
        try:
            self._thaw()
            if self.frozen:
                return LOOK_MS
            if self._next_due_ms is None:
                with reading(self._database) as reader:
                    self._next_due_ms = reader.next_due_ms()
            if self._next_due_ms is None:
                return LOOK_MS
            return min(max(self._next_due_ms - self._now_ms(), 0), LOOK_MS)
        except clock.InDoubt:
            return LOOK_MS
        except Exception as error:  # whoever says something is served all the same, and told what is wrong
            _log.warning("cannot see what is due", reason=journal.plain(error))
            return LOOK_MS

    def serve(self, submissions: list[Submission]) -> bool:
        """Decides submissions, in batches as needed, and answers every one of them; whether all went well."""
        try:
            self._refuse_frozen()
            if submissions:
                self._room()
            begun_ms = clock.monotonic_ms()
            while not self._sequence(submissions):
                self.sign.beat()
            self.batch_ms = clock.monotonic_ms() - begun_ms
            self.sign.beat()
        except TrustError as error:
            _fail(submissions, error)
            self.sign.fail(error)
        except _Stopped:
            _fail(submissions, TrustError("shutting-down"))
        except clock.InDoubt as doubt:
            _fail(submissions, TrustError("clock-in-doubt", str(doubt)))
            self.sign.fail(doubt)
        except Exception as error:
            self.sign.fail(error)
            refused = faults.refusal(error)
            if refused is None:
                self._isolate(submissions, error)
            else:
                _fail(submissions, refused)
                _log.warning("storage failed", reason=journal.plain(error))
        else:
            return True
        return False

    def _isolate(self, submissions: list[Submission], error: Exception) -> None:
        """One submission broke the batch: each is tried alone, and only the broken one gets the error."""
        if len(submissions) > 1:
            for submission in submissions:
                self.serve([submission])
        else:
            _fail(submissions, error)
            _log.error("a command broke the rulebook", exc_info=error)

    def _sequence(self, submissions: list[Submission]) -> bool:
        """One batch. What it had learned when it failed may be what never was: that is forgotten."""
        try:
            self._head_file.pay()
            return self._batch(submissions)
        except BaseException:
            self._view.forget()
            self._next_due_ms = None
            raise

    def _batch(self, submissions: list[Submission]) -> bool:
        """One batch, steps 6 to 14. False where it ended before all was decided, and it is to be called again: much was
        due, or the log's key changed, whose entry is the last under a checkpoint of the key before."""
        commands = [command for submission in submissions for command in submission.commands]
        begun_ns = spans.now_ns()
        try:
            # 6. Lock: from here on nobody else moves the head.
            with unit(self._database) as u:
                edge = self._follow(u)
                # 7. Load
                self._view.open(u.connection, u.head)
                self._load(commands)
                # 8. Decide
                batch = Batch(self._view, self._time(u))
                answers = batch.decide_all(commands) if batch.settle(self._limits.clock_entries) else None
                signer = self._signer(batch)
                head = u.head
                if batch.entries:
                    # 9. Append: in memory only. A crash leaves the log as it was.
                    edge = edge.copy()
                    tiles = edge.append_many([entry.leaf_hash for entry in batch.entries])
                    self._check_whole(u, tiles, batch.start)
                    self._after_step(9)
                    # 10. Checkpoint: signed, and shown to nobody before it is committed.
                    head = _signed_head(batch, edge, signer)
                    # 11. Write: in the transaction. A crash leaves the log as it was; callers send again.
                    u.append(batch.entries, tiles, head)
                    u.write_state(batch.draft.writes, batch.projections)
                    self._after_step(11)
                if head.size != self._head_file.size:
                    self._head_file.prepare(head.checkpoint)
            # 12. Commit. From here nothing can be lost. A crash loses answers, not entries: a statement that is sent
            # again gets the receipt of its entry.
        except CommitUnknown as error:
            if not self._is_committed(head):
                raise TrustError("overloaded", "the database did not commit") from error
        self._after_step(12)
        self._take_over(batch, edge)
        if head.size != self._head_file.size:
            # 13. Head file: before anybody holds a receipt, it says that the log has reached this size. A crash
            # before it leaves a lower bound that is too low, never one that is wrong.
            self._place_head(head)
        # 14. Receipts and refusal notes. A crash here is like a lost connection: callers send again.
        if answers is not None:
            outcomes = self._outcomes(answers, batch, edge, head, signer)
            if begun_ns:
                batch_spans.tell(submissions, outcomes, batch, begun_ns)
            _answer(submissions, outcomes)
        return answers is not None

    # -- the steps

    def _follow(self, u: Unit) -> TreeEdge:
        """The tree's edge at the locked head, which must extend the last head that this process saw (step 10)."""
        edge, head = self._edge, u.head
        if edge.size < head.size:
            edge = edge.copy()
            hashes = Reader(u.connection).leaf_hashes
            while following := hashes(edge.size, min(edge.size + CATCH_UP_ENTRIES, head.size)):
                edge.append_many(following)
        if edge.size != head.size or edge.root() != head.root:
            raise self._freeze(
                f"the head of size {head.size} does not extend the one of size {self._edge.size} seen before"
            )
        return edge

    def _time(self, u: Unit) -> int:
        """When this batch happens: never before the last entry. TrustError `clock-in-doubt` where no clock says so."""
        now_ms = self._now_ms()
        if (ahead_ms := u.head.at_ms - now_ms) > MAX_BEHIND_MS:
            raise TrustError(
                "clock-in-doubt",
                f"the log's last entry is {ahead_ms // 1_000} s ahead of this machine's clock",
            )
        if abs(skew_ms := self._skew_ms(u.connection, now_ms)) > MAX_SKEW_MS:
            raise TrustError(
                "clock-in-doubt", f"this machine's clock is {skew_ms} ms ahead of the database's"
            )
        return max(u.head.at_ms, now_ms)

    def _check_whole(self, u: Unit, tiles: Sequence[FullTile], end: int) -> None:
        """Entries are hashed again before they are signed over in a new tile: bit rot is not to be sealed."""
        for tile in tiles:
            if tile.level == 0:
                start = tile.n * TILE_WIDTH
                stored = Reader(u.connection).rows(start, min(start + TILE_WIDTH, end))
                hashes = b"".join(leaf_hash(entry.data) for entry in stored)
                if len(stored) != max(0, min(TILE_WIDTH, end - start)) or not tile.data.startswith(hashes):
                    raise self._freeze(
                        f"entries from {start} on are not those that were signed: see trust log check"
                    )

    def _place_head(self, head: Head) -> None:
        """Stores the head file. What is committed is answered even where that fails; nothing more is committed then."""
        try:
            self._head_file.place(head.size)
            self._after_step(13)
        except OSError as error:
            _log.error("the head file cannot be put in its place", reason=journal.plain(error))
        try:
            self._on_append(head)
        except Exception as error:
            _log.error("nobody could be told that the log has grown", exc_info=error)

    def _load(self, commands: Sequence[Incoming]) -> None:
        for _ in range(HOPS):  # a record that was found may name the next ones
            if not self._view.load(rulebook.needs(commands, self._view)):
                return

    def _signer(self, batch: Batch) -> Signer:
        """The key that the log named before this batch; the first one stands in the genesis."""
        network = self._view.get(Network, NETWORK) or batch.draft.get(Network, NETWORK)
        if network is None:
            raise TrustError("log-frozen", "this log has no genesis", hint="create it first: trust init")
        if network.log_key not in self._signers:
            self._signers |= _by_did(self._more_signers())
        if network.log_key not in self._signers:
            self._lacking = network.log_key
            raise self._freeze(
                f"this process does not hold the log's key {network.log_key}: lay its file, log-*.key, beside log.key;"
                " it is taken up without a restart"
            )
        return self._signers[network.log_key]

    def _is_committed(self, intended: Head) -> bool:
        """Returns the outcome of a commit that the database did not answer; asks until it answers."""
        while True:
            try:
                with reading(self._database) as reader:
                    head = reader.head()
                    if head.size < intended.size:
                        return False
                    return merkle.root(intended.size, reader.nodes(head.size)) == intended.root
            except Exception as error:
                if not faults.is_storage_fault(error):
                    raise
                if self._stopping.wait(RETRY_S):
                    raise _Stopped from error

    def _take_over(self, batch: Batch, edge: TreeEdge) -> None:
        """Takes up what was committed as this process's own state."""
        self._edge = edge
        self._next_due_ms = batch.draft.next_due_ms
        self._view.absorb(batch.draft)
        self._view.turn()
        self.figures.batches += 1
        self.figures.entries += len(batch.entries)
        self.figures.misses = self._view.misses

    def _outcomes(
        self, answers: Sequence[Answer], batch: Batch, edge: TreeEdge, head: Head, signer: Signer
    ) -> list[Outcome]:
        """A receipt for each entry, all of one checkpoint, and a signed note for each refusal."""
        paths = edge.batch_proofs(batch.start, head.size)
        outcomes: list[Outcome] = []
        for answer in answers:
            if isinstance(answer, Denied):
                outcomes.append(_refusal(answer, batch, edge, signer))
            elif answer.index >= batch.start:
                at = answer.index - batch.start
                data = batch.entries[at].data
                outcomes.append(Receipt(answer.index, data, paths[at], head.checkpoint, answer.repeated))
            else:
                outcomes.append(self._first_receipt(answer, head))
        self.figures.refusals += sum(isinstance(outcome, Refusal) for outcome in outcomes)
        return outcomes

    def _first_receipt(self, answer: Logged, head: Head) -> Receipt:
        self.figures.repeats += 1
        with reading(self._database) as reader:
            receipt = stored_receipt(reader, answer.index, head, repeated=True)
        if receipt is None:
            raise self._freeze(f"entry {answer.index} is named by the state and is not on the log")
        return receipt

    def _freeze(self, why: str) -> TrustError:
        _log.critical("frozen", why=why)
        self.frozen = why
        return TrustError("log-frozen", why)

    def _thaw(self) -> None:
        """Goes on where it was frozen for want of a key that is here by now."""
        if self._lacking:
            self._signers |= _by_did(self._more_signers())
            if self._lacking in self._signers:
                _log.info("thawed", key=self._lacking)
                self.frozen = self._lacking = ""

    def _refuse_frozen(self) -> None:
        self._thaw()
        if self.frozen:
            raise TrustError("log-frozen", self.frozen)


def _by_did(signers: Sequence[Signer]) -> dict[str, Signer]:
    return {did_of(signer.verifier.public_key): signer for signer in signers}


def _signed_head(batch: Batch, edge: TreeEdge, signer: Signer) -> Head:
    checkpoint = Checkpoint(signer.name, edge.size, edge.root())
    return Head(edge.size, batch.at_ms, checkpoint.root, sign_note(checkpoint.body(), signer))


def _refusal(denied: Denied, batch: Batch, edge: TreeEdge, signer: Signer) -> Refusal:
    reason, note = denied.reason, b""
    if denied.statement_id:
        note = refusal_note(
            signer,
            signer.name,
            denied.statement_id,
            reason.code,
            size=denied.size,
            at_ms=batch.at_ms,
            root=edge.root(denied.size),
        )
    return Refusal(reason.code, reason.detail, reason.facts, denied.size, note)


def _answer(submissions: Sequence[Submission], outcomes: Sequence[Outcome]) -> None:
    at = 0
    for submission in submissions:
        following = at + len(submission.commands)
        submission.answer.set_result(list(outcomes[at:following]))
        at = following


def _fail(submissions: Sequence[Submission], error: BaseException) -> None:
    for submission in submissions:
        if not submission.answer.done():
            submission.answer.set_exception(error)
