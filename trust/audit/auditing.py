"""The audit of a log: everything about it recomputed from its own bytes, under one key that the caller brings.

1. Keys and origin: the checkpoint is of the log of the caller's key, and signed by that key or by one that the log
   itself puts in its place (`key.adopt`): the one that is right for its size, and no other.
2. Tree: each piece of entries is all there, each entry with the hash that the tiles give it, from its bytes up to the
   root that was signed.
3. Checkpoints: what this and earlier audits saw (`state_dir`) are all of this one tree, and none went back.
4. Statements: every signature, and that each statement counted once and in its time.
5. Decisions: each entry decided again by the rules, from the state before it: the same bytes.
6. Draws: each one's VRF proof, what it drew, the sealed pools that it drew from, and that the checkpoint that witnesses
   cosigned before it is of this tree.
7. Postings: each one as the rules have it; nothing made from nothing, nothing below zero.
8. Witnesses, where the caller names some: their quorum cosigned the newest checkpoint, at about its time.
9. Answers: what the service behind the log says of balances, scores, cases, sums and dates, against the replay.

The first thing that is false ends it. Memory is bounded by a piece, whatever the log's size.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from trust import clock
from trust.audit.answers import SAMPLE, Answered, Asking
from trust.audit.cosigned_draws import APART_MS, Tree, false_cosigned_draw, false_time
from trust.audit.database_source import DatabaseSource
from trust.audit.fetching import PAUSE_S, TRIES, Service, Source, open_source
from trust.audit.log_check import check_log
from trust.audit.log_replay import Observe, Replay, check_release, unobserved
from trust.audit.pipeline import inspected, spans
from trust.audit.report import CannotCheck, Finding, Progress, Report, Step, Sums, lines, silent
from trust.audit.scratch import Scratch, scratch
from trust.audit.stateless_checks import Inspected, Piece, entries_of
from trust.audit.tree import false_partial, false_tile, forked
from trust.core.identity import did_of
from trust.log import merkle
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.merkle import EMPTY_ROOT
from trust.log.note import NoteError, Signature, Verifier
from trust.log.quorum import Quorum, QuorumMissing, cosigned_by
from trust.log.succession import Succession, is_signed_by, peek_checkpoint
from trust.log.tiles import TILE_WIDTH
from trust.storage.cosigned import policy_in_force

TRIES_WITNESSED = 20
Look = Callable[[], Finding | None]

FEW_COLLECTIONS = (50_000, 50, 1_000)


class Options(NamedTuple):
    """`sample` is how many of each kind of answer are asked for, None for all; `observe` sees what is decided."""

    progress: Progress
    quorum: Quorum | None
    sample: int | None
    observe: Observe = unobserved


def audit(
    source: Source | str,
    vkey: str,
    state_dir: Path | None = None,
    progress: Progress = silent,
    quorum: Quorum | None = None,
    sample: int | None = SAMPLE,
) -> Report:
    """Audits the log at an address, in a directory or in a database, and reports.

    `state_dir` keeps the state, so that the next audit goes on from there and knows what this one saw. `quorum` are the
    witnesses that the caller trusts: with it, a checkpoint that too few of them cosigned is a finding. `sample` is how
    many answers of each kind a service behind the log is asked for, None for all. Raises CannotCheck where the log
    cannot be read or needs a newer release, NoteError where `vkey` is no key.
    """
    verifier = Verifier.parse(vkey)
    opened = open_source(source) if isinstance(source, str) else source
    try:
        with scratch(state_dir) as own, few_collections():
            report = Audit(opened, verifier, own, Options(progress, quorum, sample)).run()
        return _with_database(report, opened, vkey)
    finally:
        opened.close()


def _with_database(report: Report, source: Source, vkey: str) -> Report:
    """Holds the parts of a service's own database that nobody asks for over HTTP against the entries."""
    if not report.ok or not isinstance(source, DatabaseSource):
        return report
    checked = check_log(source.database, vkey)
    finding = next(iter(checked.findings), None)
    steps = tuple(finding.marked(line) for line in report.steps) if finding else report.steps
    return replace(report, ok=checked.ok, findings=checked.findings, steps=steps)


class Audit:
    """One audit of a log, into a scratch state of its own."""

    def __init__(self, source: Source, verifier: Verifier, own: Scratch, options: Options) -> None:
        self._cosigned: tuple[Signature, ...] = ()
        self._source = source
        self._verifier = verifier
        self._own = own
        self._options = options
        self._checkpoint = Checkpoint(verifier.name, 0, EMPTY_ROOT)
        self._answered: int | None = None
        self._is_strange = (
            False  # replayed under a checkpoint of a key that is none of the log's: not to be kept
        )
        self._began_ms = clock.monotonic_ms()
        self._began_at = own.view.size
        if own.progress.key not in ("", str(verifier)) and verifier not in self._keys().verifiers:
            raise CannotCheck(f"this state is of the log whose key is {own.progress.key}")

    def run(self) -> Report:
        """All steps, and what came of them."""
        finding = self.advance({})
        service = self._source.service() if finding is None else None
        if service is not None:
            finding = self._check_answers(service)
        report = self._report(finding)
        if self._is_strange:
            self._own.start_anew()
        return report

    def _keys(self) -> Succession:
        """The log's keys as far as it is replayed; the caller's own where nothing is yet."""
        return self._own.keys(self._verifier.name) or Succession.of(self._verifier)

    # -- steps 1 to 8, up to the newest checkpoint

    def advance(self, looks: Mapping[int, Look]) -> Finding | None:
        """Goes on to the log's checkpoint; `looks` are called where the replay has that size."""
        note = self._source.checkpoint()
        try:
            claimed = self._checkpoint = self._peeked(note)
            is_known = self._is_known(note)
        except (NoteError, CheckpointError) as error:
            return Finding(None, f"the checkpoint: {error}", Step.KEYS)
        if not is_known and (claimed.size <= self._own.view.size or self._is_foreign(claimed.size)):
            return Finding(None, "the checkpoint: no known key signed the note", Step.KEYS)
        before, earlier = self._own.progress.checkpoint, self._earlier()
        finding = self._check_history(claimed, earlier) if is_known else None
        if finding is None and is_known:
            self._keep(note, earlier != claimed)
        finding = finding or self._check_entries(claimed, earlier, looks)
        if finding is None and (finding := self._check_keys(note)) is not None:
            self._keep(before, False)
        if finding is None and not is_known:
            self._keep(note, earlier != claimed)
        self._is_strange = finding is not None and not is_known
        return finding or self._check_money() or self._check_time() or self._check_witnesses(note)

    def _is_known(self, note: bytes) -> bool:
        """Returns whether a key known so far signed it; NoteError or CheckpointError where one did that may not."""
        keys = self._keys()
        if not is_signed_by(note, {*keys.verifiers, self._verifier}):
            return False
        if self._verifier in keys.verifiers:
            keys.open(note)
        return True

    def _is_foreign(self, size: int) -> bool:
        """Returns whether no entry names the caller's key: then the log cannot lead from it to the key that signed.

        It is found by reading the entries without deciding them; a log with an earlier audit is known already.
        """
        if self._own.view.size or self._verifier in self._keys().verifiers[1:]:
            return False
        named = did_of(self._verifier.public_key).encode()
        for start in range(0, size, TILE_WIDTH):
            bundle = self._source.bundle(start // TILE_WIDTH, min(TILE_WIDTH, size - start))
            if bundle is None or named in bundle:
                return False
        return True

    def _peeked(self, note: bytes) -> Checkpoint:
        claimed = peek_checkpoint(note)
        if claimed.origin != self._verifier.name:
            raise CheckpointError(f"it is of {claimed.origin!r}, not of {self._verifier.name!r}")
        return claimed

    def _keep(self, note: bytes, is_new: bool) -> None:
        progress = self._own.progress
        progress.key, progress.checkpoint = str(self._verifier), note
        progress.checkpoints += is_new
        self._own.save()

    def _earlier(self) -> Checkpoint | None:
        """The checkpoint that was kept, which was good then."""
        note = self._own.progress.checkpoint
        return peek_checkpoint(note) if note else None

    def _check_keys(self, note: bytes) -> Finding | None:
        """Returns whether the right key for its size signed the checkpoint, by the log's own account of its keys."""
        keys = self._keys()
        if self._verifier not in keys.verifiers:
            is_mine = is_signed_by(note, [self._verifier])
            first = keys.verifiers[0]
            reason = f"this genesis names the key {first}, and no entry names {self._verifier}"
            if not is_mine:
                reason = f"the checkpoint: no known key signed the note; {reason}"
            return Finding(0 if is_mine else None, reason, Step.KEYS)
        try:
            keys.open(note)
        except (NoteError, CheckpointError) as error:
            return Finding(None, f"the checkpoint: {error}", Step.KEYS)
        return None

    def _check_history(self, now: Checkpoint, earlier: Checkpoint | None) -> Finding | None:
        if earlier is None:
            return None
        if now.size < earlier.size:
            reason = f"the log went back: it had {earlier.size} entries before, now it has {now.size}"
            return Finding(now.size, reason, Step.CHECKPOINTS)
        if now.size == earlier.size and now.root != earlier.root:
            reason = (
                f"the log was forked: two roots of size {now.size} are signed, "
                f"{earlier.root.hex()} before and {now.root.hex()} now"
            )
            return Finding(None, reason, Step.CHECKPOINTS)
        edge = self._own.edge
        if not edge.size or (edge.size, edge.root()) == (now.size, now.root):
            return None
        return forked(self._source, now.size, edge.size, edge.root(), self._own.leaf_tile)

    def _check_entries(
        self, checkpoint: Checkpoint, earlier: Checkpoint | None, looks: Mapping[int, Look]
    ) -> Finding | None:
        roots = {mark.size: mark.root for mark in (earlier, checkpoint) if mark is not None}
        replay = Replay(self._own, checkpoint.origin, self._options.observe)
        stops = {*roots, *(size for size in looks if size < checkpoint.size)}
        cut = spans(self._own.view.size, *sorted(stops))
        self._options.progress(self._own.view.size, checkpoint.size)
        if finding := self._look(looks):
            return finding
        for piece, inspection in inspected(self._source, cut, checkpoint.size):
            finding = self._take(replay, piece, inspection, roots.get(piece.end)) or self._look(looks)
            if finding is not None:
                return finding
            self._options.progress(piece.end, checkpoint.size)
        return false_partial(self._source, self._own.edge)

    def _look(self, looks: Mapping[int, Look]) -> Finding | None:
        look = looks.get(self._own.view.size)
        return look() if look is not None else None

    def _take(
        self, replay: Replay, piece: Piece, inspection: Inspected, root: bytes | None
    ) -> Finding | None:
        """One piece: replayed as far as it is good by itself, then hashed; it is kept when all of it holds."""
        entries = entries_of(piece)
        first = None if inspection.finding is None else inspection.finding.index
        good = len(entries) if first is None else first - piece.start
        finding = replay.take(entries[:good]) or inspection.finding
        if first == 0 and entries:
            check_release(entries[0])
        if finding is not None:
            return finding
        edge = self._own.edge.copy()
        tiles = edge.append_many(merkle.hashes(inspection.hashes))
        if (finding := false_tile(self._source, tiles)) is not None:
            return finding
        if root is not None and edge.root() != root:
            self._own.start_anew()
            return Finding(
                None, f"the {edge.size} entries lead to the root {edge.root().hex()}, signed is {root.hex()}"
            )
        tree = Tree(self._own.reader.tile, tiles, edge)
        if (finding := false_cosigned_draw(replay.cosigned_draws, tree)) is not None:
            return finding
        self._own.progress.signatures += inspection.signatures
        self._own.commit(edge, tiles)
        return None

    def _check_money(self) -> Finding | None:
        sums, last = self._own.sums(), self._own.view.size - 1
        if sums.total:
            reason = f"all balances sum to {sums.total} units, not to zero"
            return Finding(last, reason, Step.POSTINGS)
        if sums.overdrawn:
            reason = f"accounts are below zero: {', '.join(sums.overdrawn)}"
            return Finding(last, reason, Step.POSTINGS)
        return None

    def _check_time(self) -> Finding | None:
        """No entry is of a time that has not come: a log whose clock ran ahead settled what was not due."""
        ahead_ms = self._own.view.at_ms - clock.now_ms()
        if ahead_ms <= APART_MS:
            return None
        reason = f"its time is {ahead_ms // 1_000} s ahead of this machine's clock: one of the two was wrong"
        return Finding(self._own.view.size - 1, reason, Step.DECISIONS)

    def _check_witnesses(self, note: bytes) -> Finding | None:
        if self._options.quorum is None:
            return None
        try:
            self._cosigned = cosigned_by(note, self._options.quorum)
        except QuorumMissing as error:
            return Finding(None, f"the checkpoint: {error}", Step.WITNESSES)
        return false_time(self._own.view.at_ms, self._cosigned)

    # -- step 9

    def _check_answers(self, service: Service) -> Finding | None:
        """Asks, then replays on to the size that each answer names, and compares there."""
        self._answered = 0
        asking = Asking(service, self._own, self._options.sample)
        for answers in asking.rounds():
            asked: dict[int, list[Answered]] = {}
            for answer in answers:
                asked.setdefault(answer.size, []).append(answer)
            looks = {size: partial(asking.compare, answers_at) for size, answers_at in asked.items()}
            finding = asking.stale(answers) or self.advance(looks)
            finding = finding or self._await_signed(asking, answers, looks)
            if finding is not None:
                return finding
            self._answered += len(answers)
        return None

    def _await_signed(
        self, asking: Asking, answers: list[Answered], looks: Mapping[int, Look]
    ) -> Finding | None:
        """Another replica may have answered than the one that shows the checkpoint, and witnesses take their time.

        CannotCheck where theirs does not end: a log whose witnesses are silent goes on, and shows no newer checkpoint.
        """
        is_witnessed = self._is_witnessed()
        for _ in range(TRIES_WITNESSED if is_witnessed else TRIES):
            if asking.unsigned(answers) is None:
                return None
            time.sleep(PAUSE_S)
            if finding := self.advance(looks):
                return finding
        late = asking.unsigned(answers)
        if late is not None and is_witnessed:
            raise CannotCheck(f"{late}: its witnesses have not cosigned what it answers from")
        return late

    def _is_witnessed(self) -> bool:
        """Returns whether the log shows only what witnesses cosigned, by the policy in force."""
        policy = policy_in_force(self._own.reader)
        return policy is not None and bool(policy.terms.witnesses.quorum)

    # -- the report

    def _report(self, finding: Finding | None) -> Report:
        own, checkpoint = self._own, self._checkpoint
        own.connection.rollback()
        checked = own.edge.size
        if finding is not None and finding.index is not None:
            checked = finding.index
        sums = own.sums()
        skipped = frozenset({Step.ANSWERS} if self._answered is None else ())
        return Report(
            ok=finding is None,
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.root.hex(),
            checked=checked,
            replayed=max(0, checked - self._began_at),
            findings=() if finding is None else (finding,),
            steps=lines(self._counted(checked, sums), finding, skipped),
            commands=dict(sorted(own.progress.commands.items())),
            statements=dict(sorted(own.progress.statements.items())),
            signatures=own.progress.signatures,
            sums=sums,
            witnesses=self._options.quorum.summary(self._cosigned) if self._options.quorum else "",
            elapsed_ms=clock.monotonic_ms() - self._began_ms,
        )

    def _counted(self, checked: int, sums: Sums) -> dict[Step, str]:
        progress = self._own.progress
        statements, commands = sum(progress.statements.values()), progress.commands
        answered = (
            "no service behind the log was asked" if self._answered is None else f"{self._answered} compared"
        )
        counted = {
            Step.KEYS: f"{self._checkpoint.origin}, keys: {', '.join(map(str, self._keys().verifiers))}",
            Step.TREE: f"{checked} entries hashed, root {self._own.edge.root().hex()}",
            Step.CHECKPOINTS: f"{progress.checkpoints} seen, all of one tree",
            Step.STATEMENTS: f"{statements} statements, {progress.signatures} signatures",
            Step.DECISIONS: f"{max(0, checked - self._began_at)} entries decided again, {self._began_at} before",
            Step.DRAWS: f"{commands.get('draw', 0)} draws, {commands.get('seal', 0)} sealed pools",
            Step.POSTINGS: f"{progress.postings} postings, {sums.accounts} accounts sum to {sums.total}",
            Step.ANSWERS: answered,
        }
        if self._options.quorum is not None:
            counted[Step.WITNESSES] = self._options.quorum.summary(self._cosigned)
        return counted


@contextmanager
def few_collections() -> Iterator[None]:
    """Has the collector run less often: records and events hold no cycles, and it would walk them again and again."""
    thresholds = gc.get_threshold()
    gc.set_threshold(*FEW_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
