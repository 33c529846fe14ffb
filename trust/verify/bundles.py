"""Bundles: one file that proves a case offline, under the log's key that the caller brings (format: `core/bundle.py`).

Verified, in this order; `NotProven` names the entry and what is wrong with it:
1. the file has exactly the members of its format, and nothing in it that no proof uses;
2. the log's key signed the checkpoint, and its origin is the key's name;
3. each entry is canonical and its path leads to the checkpoint's root; the genesis is entry 0 and of this network;
4. each statement is of this network, every signature in it holds, and its actor's key is among the signers;
5. every posting sums to zero;
6. what the entries say of the claim follows from them: see `replay.py` and `steps.py`.

What a bundle proves is that all this is on the log and hangs together. What it cannot prove:
- that no entry was left out, one that ended the claim later or retired a key before it was used: whoever needs this
  asks the log for a newer bundle, or audits it;
- that the sealed pools have the right slots and weights, and that whoever the draw came upon and the panel passed over
  (`Panel.passed`) may not sit: these follow from the whole state. A bundle may come
  without the pool's nodes, where they would make it too large: its seats and items are not traced to the draw at all
  (`Panel.passed` is None). The same goes for a shortlist that the worker was drawn for (`Shortlist.passed`), and
  for what the candidates that a relay named weigh;
- that the inputs of the check rate, that a worker was caught in other work, and balances outside of the case, are what
  the log says elsewhere;
- that the log shows everybody this one tree: compare checkpoints, or ask for witnesses.
For these `trust audit` decides every entry again.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from trust.core import bundle, commands, envelope, strict
from trust.core.bundle import Bundle, BundledEntry
from trust.core.commands import Spoken
from trust.core.entry import Entry, InvalidEntry, OtherRelease, decode_entry, encode_command, encode_entry
from trust.core.rules.changes import check_release
from trust.core.sampling import sumtree
from trust.log import merkle
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.note import NoteError
from trust.log.succession import LogKey, opened
from trust.verify.cases import Case
from trust.verify.failures import NotProven, TooNew
from trust.verify.replay import CaseReplay

_BAD_ENTRY = (ValueError, LookupError)
"""What the rulebook and the log raise where an entry is not what it must be; their own errors are among these."""


def verify_bundle(data: bytes, key: LogKey) -> Case:
    """Returns what a bundle proves of its claim under the log's key. Raises `NotProven`, `TooNew`."""
    try:
        packed = strict.parse(data, Bundle, max_bytes=bundle.MAX_BUNDLE_BYTES)  # 1
        checkpoint = opened(packed.checkpoint.encode("utf-8", "surrogatepass"), key)  # 2
        hashes = _distinct("hashes", packed.hashes, merkle.HASH_BYTES)
        nodes = _distinct("pool", packed.pool)
    except (strict.Malformed, NoteError, CheckpointError) as error:
        raise NotProven(f"the bundle: {error}") from error
    _check_order(packed)
    pool = {sumtree.digest_of(node): node for node in nodes}
    replay = CaseReplay(key.name, packed.claim, pool)
    entries = [_proven(each, hashes, checkpoint) for each in packed.entries]  # 3
    replay.begin(zip((each.index for each in packed.entries), entries, strict=True))
    for each, entry in zip(packed.entries, entries, strict=True):
        _replayed(replay, each.index, entry, key.name)  # 4, 5, 6
    return replay.end(checkpoint)


def _distinct(name: str, texts: Sequence[str], length: int | None = None) -> list[bytes]:
    if len(set(texts)) < len(texts):
        raise strict.Malformed(f"{name}: the same bytes twice")
    return [strict.b64(text, length) for text in texts]


def _check_order(packed: Bundle) -> None:
    indices = [each.index for each in packed.entries]
    if len(indices) > bundle.MAX_ENTRIES:
        raise NotProven(f"the bundle: {len(indices)} entries, at most {bundle.MAX_ENTRIES} are allowed")
    if indices[:1] != [0]:
        raise NotProven("the bundle: entry 0, the genesis, is missing")
    if any(later <= earlier for earlier, later in pairwise(indices)):
        raise NotProven("the bundle: entries are not in log order")
    if {place for each in packed.entries for place in each.path} != set(range(len(packed.hashes))):
        raise NotProven("the bundle: the paths do not use exactly its hashes")


def _proven(each: BundledEntry, hashes: Sequence[bytes], checkpoint: Checkpoint) -> Entry:
    try:
        data = strict.b64(each.entry)
        path = [hashes[place] for place in each.path]
        merkle.verify_inclusion(merkle.leaf_hash(data), each.index, checkpoint.size, path, checkpoint.root)
        check_release(data)
        entry = decode_entry(data)
        if encode_entry(entry.at_ms, encode_command(entry.command), list(entry.events)) != data:
            raise InvalidEntry("its bytes are not canonical")
    except OtherRelease as other:
        raise TooNew(f"entry {each.index}: {other}") from other
    except _BAD_ENTRY as error:
        raise NotProven(f"entry {each.index}: {error}") from error
    return entry


def _replayed(replay: CaseReplay, index: int, entry: Entry, network: str) -> None:
    try:
        replay.step(index, entry, _statement(entry, network))
    except _BAD_ENTRY as error:
        raise NotProven(f"entry {index}: {error}") from error


def _statement(entry: Entry, network: str) -> Spoken | None:
    if entry.command.statement is None:
        return None
    spoken = commands.spoken(envelope.from_envelope(entry.command.statement))
    if spoken.payload.network != network:
        raise strict.Malformed(f"a statement of network {spoken.payload.network} in the log of {network}")
    for signed in commands.signed_parts(spoken):
        envelope.verify(signed)
    return spoken
