"""Scores that travel: what one network says about an agent, verified with that network's key alone.

Specified in docs/reputation.md 5.

A file (`core/scorebook.py`) is good when, in this order; `BadScores` says what is not:
1. it has exactly the members of its format;
2. the receipts of the genesis and of the seal verify under the log's key, and are of entry 0 and of a seal of scores;
3. each row is canonical, and its path leads from its place to the root of the seal;
4. the rows stand side by side in their order, the agent's between those of others or at an end, so none is left out.

What it says is as of the seal. It cannot prove that no newer seal says something else: ask for a newer file; and that
the rows follow from the log, `trust audit` checks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from trust.core import rawsums, reputation, scorebook, strict
from trust.core.decay import HalfLives
from trust.core.entry import MAX_ENTRY_BYTES, Header, Seal
from trust.core.receipt import Receipt
from trust.core.scorebook import ProvenRow, Row, ScoreFile
from trust.log import merkle
from trust.log.proof import verify_proof
from trust.log.succession import LogKey


class BadScores(ValueError):
    """A file that does not prove what it says; the message names what is wrong."""


class NamedScore(msgspec.Struct, frozen=True):
    """The read-outs of one record at the time of the seal; decayed observations in milli-units."""

    role: str
    task_kind: str
    expected_ppm: int
    priority_ppm: int
    observations_milli: int
    events: int


class AgentScores(msgspec.Struct, frozen=True):
    """The scores that `network` said about `agent` in entry `index`, about its first `as_of` entries.

    `left` is "", revoked or tombstoned; no scores are those of a newcomer.
    """

    network: str
    agent: str
    index: int
    as_of: int
    at_ms: int
    left: str
    scores: tuple[NamedScore, ...]


def verify(data: bytes, key: LogKey) -> AgentScores:
    """Returns what a file proves that the network of `key` said about an agent. Raises `BadScores`."""
    try:
        file = strict.parse(data, ScoreFile, max_bytes=scorebook.MAX_FILE_BYTES)  # 1
    except strict.Malformed as error:
        raise BadScores(f"the file of scores: {error}") from error
    genesis, seal = _included(file.genesis, key), _included(file.seal, key)  # 2
    founded, sealed = genesis.command.genesis, seal.command.seal
    if file.genesis.index != 0 or founded is None:
        raise BadScores(f"entry {file.genesis.index} is not the genesis")
    if sealed is None or sealed.of != scorebook.POOL:
        raise BadScores(f"entry {file.seal.index} is no seal of scores")
    rows = [_row(each, sealed) for each in file.rows]  # 3
    own = _own(file, rows, sealed.count)  # 4
    scores = tuple(_score(row, founded, seal.at_ms) for row in own if row.role != scorebook.PARTY)
    left = next((row.left for row in own if row.role == scorebook.PARTY), "")
    return AgentScores(key.name, file.agent, file.seal.index, sealed.as_of, seal.at_ms, left, scores)


def _included(receipt: Receipt, key: LogKey) -> Header:
    """The entry of a receipt, without its events: a newer release may have kinds that this one does not know."""
    try:
        data = strict.b64(receipt.entry)
        proof = receipt.proof.encode("utf-8", "surrogatepass")
        verify_proof(merkle.leaf_hash(data), proof, key, index=receipt.index)
        return strict.parse(data, Header, max_bytes=MAX_ENTRY_BYTES)
    except ValueError as error:
        raise BadScores(f"the receipt of entry {receipt.index}: {error}") from error


def _row(proven: ProvenRow, seal: Seal) -> Row:
    try:
        data, root = strict.b64(proven.row), strict.hex32(seal.root)
        path = [strict.b64(step) for step in proven.path]
        merkle.verify_inclusion(merkle.leaf_hash(data), proven.place, seal.count, path, root)
        row = strict.parse(data, Row, max_bytes=scorebook.MAX_FILE_BYTES)
    except (strict.Malformed, merkle.ProofError) as error:
        raise BadScores(f"row {proven.place}: {error}") from error
    if row.encode() != data:
        raise BadScores(f"row {proven.place}: its bytes are not canonical")
    return row


def _own(file: ScoreFile, rows: Sequence[Row], count: int) -> list[Row]:
    """The agent's rows, when none of them can be missing."""
    places = [each.place for each in file.rows]
    if places != list(range(places[0], places[0] + len(places))) if places else count > 0:
        raise BadScores("the rows do not stand side by side")
    if any(later.key <= earlier.key for earlier, later in pairwise(rows)):
        raise BadScores("the rows are not in order")
    own = [row for row in rows if row.agent == file.agent]
    before = [row for row in rows if row.agent < file.agent]
    after = [row for row in rows if row.agent > file.agent]
    if len(before) > 1 or len(after) > 1:
        raise BadScores("rows of others stand in the file that are no neighbours of this agent's")
    if places and ((places[0] and not before) or (places[-1] < count - 1 and not after)):
        raise BadScores("rows of this agent may be missing: the file does not show its neighbours")
    return own


def _score(row: Row, decay: HalfLives, at_ms: int) -> NamedScore:
    try:
        sums = rawsums.decode(strict.b64(row.sums))
        record = rawsums.read(sums, decay, at_ms)
    except ValueError as error:
        raise BadScores(f"the sums of {row.id}: {error}") from error
    return NamedScore(
        row.role,
        row.task_kind,
        reputation.expected_ppm(record),
        reputation.priority_ppm(record),
        record.good_slow + record.bad_slow,
        row.events,
    )
