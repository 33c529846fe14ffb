"""The parts that every draw carries: a proof of its randomness by the draw key and, where the policy names witnesses,
a checkpoint that they cosigned (docs/rules.md 3 and 6.1).

The checkpoint shows that the witnesses have seen what is drawn for before anybody could know the draw. The policy
that the task pinned says which witnesses and how many; the log names origin and key. Decided here:

1. The log signed it, under its own origin, with the key for its size: one that the log has, and that covers what is
   drawn for.
2. Enough of the policy's witnesses cosigned it.
3. Nothing else stands in it: its bytes are those that these lines make.

Whether its root is this log's at that size only the holder of the tree can tell: the audit does. No choice of
checkpoint changes a draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import sha256

from trust.core.entry import Draw
from trust.core.identity import key_of
from trust.core.policy import Policy
from trust.core.refusal import Refused
from trust.core.rules.decision import Decision
from trust.core.sampling import vrf
from trust.core.strict import b64
from trust.log.checkpoint import Checkpoint, CheckpointError, open_cosigned
from trust.log.note import COSIGNATURES, NoteError, Signature, Verifier, parse_note
from trust.log.quorum import parse_quorum
from trust.log.succession import peek_checkpoint

COSIGNATURE_BYTES = frozenset(8 + size for size in COSIGNATURES.values())
"""A time and a signature; the log's own line has only the latter."""


SPARED = "unchecked"
"""Stands in the seed of a first round whose output the coin had spared: the coin's own seed is public by then."""


def seed_input(network: str, claim: str, number: int, output: str, before: str = "") -> bytes:
    """The VRF's input from its parts, each after its length as eight bytes (docs/rules.md 6.1).

    `output` is the id of a statement; `before` is empty for the coin, SPARED, or the digest of the salts that the round
    before revealed (`salts_digest`).
    """
    parts = ("trust/seed/v1", network, claim, str(number), output, before)
    return b"".join(len(part).to_bytes(8) + part.encode() for part in parts)


def salts_digest(salts: Iterable[str]) -> str:
    """Returns the SHA-256 in hex of the salts (base64 of 32 bytes each) that a panel revealed, in order of place."""
    return sha256(b"".join(b64(salt) for salt in salts)).hexdigest()


def whose_turn(draw_key: str, beacons: Sequence[str], seed: bytes, turn: int) -> str:
    """Returns the key that makes a draw over `seed` in a turn: the service's in turn 0 (and before it, by a clock that
    is behind the log's), then one beacon after the other.

    They rank by SHA-256(seed, key), so that the order of each draw is its own, and nobody chooses it. Each has its turn
    alone: who could come later too would see what those before it drew, and choose.
    """
    ranked = sorted(beacons, key=lambda key: sha256(seed + key.encode()).digest())
    return (draw_key, *ranked)[max(0, min(turn, len(ranked)))]


def proven(command: Draw, draw_key: str, seed: bytes) -> bytes:
    """Returns the VRF's output that a draw proves; Refused `bad-draw` where its one proof is not by this key over
    `seed`."""
    if len(command.beacons) != 1:
        raise Refused("bad-draw", "a draw of these rules has one beacon")
    beacon = command.beacons[0]
    if beacon.key != draw_key:
        raise Refused("bad-draw", f"{command.of} is drawn by {draw_key} now")
    try:
        beta = vrf.verify(key_of(beacon.key), seed, bytes.fromhex(beacon.pi))
    except ValueError as error:
        raise Refused("bad-draw", f"the VRF proof does not hold: {error}") from error
    if beta.hex() != beacon.beta:
        raise Refused("bad-draw", "beta is not the output of this proof")
    return beta


def check_checkpoint(d: Decision, index: int, policy: Policy, note: str) -> None:
    """Checks that a draw carries the checkpoint that its policy asks for, or none; Refused `bad-draw` otherwise.

    `index` is the entry that it must cover: an output's, or an allocation's.
    """
    if not policy.witnesses.quorum:
        if note:
            raise Refused("bad-draw", "a draw without witnesses carries no checkpoint")
        return
    if not note:
        raise Refused("bad-draw", "this draw waits for a checkpoint that the witnesses cosigned")
    try:
        log_key = d.log_key(peek_checkpoint(note.encode()).size)
        checkpoint, cosigned = _opened(d.network.origin, log_key, policy.witnesses.quorum, note)
    except (NoteError, CheckpointError) as error:
        raise Refused("bad-draw", f"the checkpoint: {error}") from error
    if not index < checkpoint.size <= d.size:
        raise Refused(
            "bad-draw",
            f"a checkpoint of {checkpoint.size} entries: what it is for is entry {index} of {d.size}",
        )
    quorum = parse_quorum(policy.witnesses.quorum)
    if not quorum.is_met({(line.name, line.key_id) for line in cosigned}):
        raise Refused("bad-draw", f"the quorum {quorum.needed} is missing: {quorum.summary(cosigned)}")


@lru_cache(maxsize=16)
def _opened(
    origin: str, log_key: str, lines: tuple[str, ...], note: str
) -> tuple[Checkpoint, tuple[Signature, ...]]:
    """The checkpoint and its cosignatures; CheckpointError where the note holds anything else.

    The draws of one batch carry the same note: its signatures are verified once.
    """
    log, witnesses = Verifier(origin, key_of(log_key)), parse_quorum(lines).verifiers
    checkpoint, cosigned = open_cosigned(note.encode(), origin, log, witnesses)
    if checkpoint.extensions or len(parse_note(note.encode())[1]) != 1 + len(cosigned):
        raise CheckpointError("it has lines that are neither the log's nor a witness's of the policy")
    return checkpoint, cosigned


def claimed_root(note: str) -> tuple[int, bytes]:
    """Returns the size and root that the checkpoint of a decided draw names."""
    checkpoint = Checkpoint.parse(parse_note(note.encode())[0])
    return checkpoint.size, checkpoint.root


def cosigned_times_s(note: str) -> dict[str, int]:
    """Returns when each witness says that it cosigned the checkpoint of a decided draw, in s, by its key's name."""
    lines = parse_note(note.encode())[1]
    return {line.name: int.from_bytes(line.blob[:8]) for line in lines if len(line.blob) in COSIGNATURE_BYTES}
