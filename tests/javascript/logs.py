"""Logs of any entries, what the service would hand out of them, and the same signed by witnesses, or falsely."""

from __future__ import annotations

from collections.abc import Sequence

from tests.audit.networks import ORIGIN, did, seed_of, signer
from tests.verify.cases import network
from trust.core import rawsums, scorebook
from trust.core.decay import Decay
from trust.core.entry import Command, Seal, encode_command, encode_entry
from trust.core.receipt import Receipt
from trust.core.scorebook import ProvenRow, Row, ScoreFile
from trust.core.strict import base64_of
from trust.log import merkle
from trust.log.checkpoint import Checkpoint
from trust.log.note import COSIGNATURE_V1, Signer, add_signatures, sign_note
from trust.log.proof import encode_proof

KEY = signer().verifier
WITNESSES = [Signer(f"witness-{n}.example", seed_of(f"witness-{n}"), COSIGNATURE_V1) for n in range(3)]
POLICY = "".join(f"witness w{n} {each.verifier}\n" for n, each in enumerate(WITNESSES))
TWO_OF_THREE = f"{POLICY}group some 2 w0 w1 w2\nquorum some\n"


class Tree:
    """The Merkle tree over some bytes."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.size = len(leaves)
        self.leaves = leaves
        self._rows = [[merkle.leaf_hash(leaf) for leaf in leaves]]
        while len(self._rows[-1]) > 1:
            self._rows.append(merkle.parents(self._rows[-1]))

    def node(self, level: int, index: int) -> bytes:
        return self._rows[level][index]

    @property
    def root(self) -> bytes:
        return merkle.root(self.size, self.node)

    def path(self, index: int) -> list[bytes]:
        return merkle.inclusion_proof(index, self.size, self.node)

    def from_size(self, old: int) -> list[bytes]:
        """The consistency proof from a smaller size."""
        return merkle.consistency_proof(old, self.size, self.node)

    def checkpoint(self, key: Signer | None = None, cosigners: Sequence[Signer] = ()) -> bytes:
        """The signed head, with cosignatures."""
        body = Checkpoint(ORIGIN, self.size, self.root).body()
        note = sign_note(body, key or signer())
        return add_signatures(
            note, [each.sign(body, 1_800_000_000 + at) for at, each in enumerate(cosigners)]
        )

    def receipt(self, index: int, key: Signer | None = None, cosigners: Sequence[Signer] = ()) -> Receipt:
        """The receipt of an entry."""
        proof = encode_proof(index, self.path(index), self.checkpoint(key, cosigners)).decode()
        return Receipt(index, base64_of(self.leaves[index]), proof)


def rows() -> list[Row]:
    """What a seal of scores commits to: two records of alice, one of others before and after, and who left."""
    decay = Decay(1_700_000_000_000)
    good = rawsums.Sums()
    for day, kind in enumerate(("good", "good", "bad", "good", "failure")):
        good = rawsums.add(good, decay, kind, 1_500 + day, decay.t0_ms + day * 86_400_000)  # type: ignore[arg-type]
    praised = rawsums.add(rawsums.Sums(), decay, "good", 90_000, decay.t0_ms)
    sums = [base64_of(rawsums.encode(each)) for each in (good, praised)]
    parties = sorted(did(name) for name in ("alice", "bob", "carol"))
    kept = [
        Row(party, role, "code-review", 5 + at, sums[(at + place) % 2])
        for at, party in enumerate(parties)
        for place, role in enumerate(("verifier", "worker"))
    ]
    return sorted([*kept, Row(parties[1], scorebook.PARTY, left="revoked")], key=lambda row: row.key)


def score_file(shown: Sequence[int], agent: str) -> ScoreFile:
    """The file of an agent with the rows at these places, in a log that seals all of `rows`."""
    tree = Tree([row.encode() for row in rows()])
    seal = Seal(scorebook.POOL, 1, 5, tree.root.hex(), tree.size, 0, (), 0, 0)
    entries = network().entries[:5]
    sealed = encode_entry(1_700_500_000_000, encode_command(Command(seal=seal)), [])
    log = Tree([*entries, sealed])
    proven = [
        ProvenRow(place, base64_of(tree.leaves[place]), tuple(map(base64_of, tree.path(place))))
        for place in shown
    ]
    return ScoreFile("trust/scores/v1", agent, log.receipt(0), log.receipt(5), tuple(proven))
