"""The Merkle tree of RFC 9162 section 2.1 (the same bytes as RFC 6962), as functions over complete subtrees.

- A leaf is SHA-256(0x00 || data), an inner node SHA-256(0x01 || left || right), the empty tree SHA-256("").
- `node(level, index)` is the hash of the complete subtree of 2^level leaves from leaf index * 2^level on.
  Such a hash never changes once its leaves are there, so it may be stored and shared; only the hash of the
  ragged right edge depends on the size, and it is computed from complete subtrees.
- Proofs are made from `node` alone. Verifiers never see the tree: they check ranges, lengths and the root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

_sha256 = hashlib.sha256

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1
MAX_PATH = 63
EMPTY_ROOT = _sha256(b"").digest()

Node = Callable[[int, int], bytes]


class ProofError(ValueError):
    """A proof that cannot be made, or that does not prove what it should."""


def leaf_hash(data: bytes) -> bytes:
    """The 32-byte hash of an entry (RFC 9162, 2.1.1)."""
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 32-byte hash of an inner node (RFC 9162, 2.1.1)."""
    return _sha256(b"\x01" + left + right).digest()


def hashes(joined: bytes) -> list[bytes]:
    """The hashes that lie joined in a tile, a stored row or a part of one."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]


def parents(row: Sequence[bytes]) -> list[bytes]:
    """The parents of a row of siblings, from its first pair on; an odd last hash has none yet."""
    one = iter(row)
    return [_sha256(b"\x01" + left + right).digest() for left, right in zip(one, one, strict=False)]


def root(size: int, node: Node) -> bytes:
    """The root of the tree over the first `size` leaves."""
    return _edge_hash(size.bit_length(), size, node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """The path of leaf `index` in the tree of `size` leaves, its sibling first (RFC 9162, 2.1.3.1)."""
    if not 0 <= index < size:
        raise ProofError(f"there is no leaf {index} in a tree of {size} leaves")
    return _path(0, index, size, node)


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """The proof that `new` leaves start with the `old` ones (RFC 9162, 2.1.4.1); empty for old = 0."""
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {new} leaves does not extend one of {old}")
    if old in (0, new):
        return []
    level = _trailing_zeros(old)
    last = (old >> level) - 1
    # The old tree is that one subtree where `last` is 0: the verifier has its hash already.
    return [node(level, last)] * (last > 0) + _path(level, last, new, node)


def _edge_hash(level: int, size: int, node: Node) -> bytes:
    """The hash of the leaves after the last complete subtree of 2^level leaves (at least one is)."""
    edge = b""
    for below in range(level):
        if size >> below & 1:
            peak = node(below, (size >> below) - 1)
            edge = node_hash(peak, edge) if edge else peak
    return edge


def _path(level: int, index: int, size: int, node: Node) -> list[bytes]:
    path = []
    for above in range(level, (size - 1).bit_length()):
        sibling = index ^ 1
        if sibling + 1 << above <= size:
            path.append(node(above, sibling))
        elif sibling << above < size:
            path.append(_edge_hash(above, size, node))
        index >>= 1
    return path


def _trailing_zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf hash `leaf` is at `index` of the tree (RFC 9162, 2.1.3.2). Raises ProofError."""
    _check_root(root_of(leaf, index, size, path), root, size)


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root to which an inclusion path leads from the leaf hash at `index` of `size`. Raises ProofError."""
    if not 0 <= index < size <= MAX_SIZE:
        raise ProofError(f"there is no leaf {index} in a tree of {size} leaves")
    forks = (index ^ size - 1).bit_length()
    _check_path(leaf, path, forks + (index >> forks).bit_count())
    return _climb(leaf, index, forks, path)


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the new tree extends the old one (RFC 9162, 2.1.4.2). Raises ProofError."""
    if not 0 <= old_size <= new_size <= MAX_SIZE:
        raise ProofError(f"a tree of {new_size} leaves does not extend one of {old_size}")
    if old_size in (0, new_size):
        _check_path(new_root, path, 0)
        _check_root(new_root if old_size else EMPTY_ROOT, old_root, old_size)
        _check_root(new_root if new_size else EMPTY_ROOT, new_root, new_size)
        return
    level = _trailing_zeros(old_size)
    last = (old_size >> level) - 1
    forks = (last ^ new_size - 1 >> level).bit_length()
    _check_path(old_root, path, (last > 0) + forks + (last >> forks).bit_count())
    seed, path = (path[0], path[1:]) if last else (old_root, path)
    # What lies left of the climb is in both trees; what lies right of it is new.
    old_path = [step for at, step in enumerate(path) if at >= forks or last >> at & 1]
    _check_root(_climb(seed, 0, 0, old_path), old_root, old_size)
    _check_root(_climb(seed, last, forks, path), new_root, new_size)


def _climb(start: bytes, index: int, forks: int, path: Sequence[bytes]) -> bytes:
    """Hash upwards: below `forks` the bits of `index` say on which side a step lies, above it is the left."""
    at = start
    for level, step in enumerate(path):
        at = node_hash(step, at) if level >= forks or index >> level & 1 else node_hash(at, step)
    return at


def _check_path(start: bytes, path: Sequence[bytes], count: int) -> None:
    if len(path) != count:
        raise ProofError(f"the path has {len(path)} hashes where {count} are due")
    if len(start) != HASH_BYTES or any(len(step) != HASH_BYTES for step in path):
        raise ProofError("a hash is not 32 bytes")


def _check_root(computed: bytes, expected: bytes, size: int) -> None:
    if computed != expected:
        raise ProofError(
            f"the path leads to {computed.hex()}, not to the root {expected.hex()} of size {size}"
        )


class CompactRange:
    """The frontier of a tree: the roots of its complete subtrees, enough to append and to know the root."""

    __slots__ = ("_peaks", "_size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if size < 0 or len(peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves does not have {len(peaks)} peaks")
        self._size = size
        self._peaks = list(peaks)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """Roots of the complete subtrees, the largest (leftmost) first: one for each bit set in the size."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash: as many hashes as the size has trailing ones."""
        for _ in range(_trailing_zeros(self._size + 1)):
            leaf = node_hash(self._peaks.pop(), leaf)
        self._peaks.append(leaf)
        self._size += 1

    def root(self) -> bytes:
        """The root of the tree, in O(log n)."""
        if not self._peaks:
            return EMPTY_ROOT
        edge = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            edge = node_hash(peak, edge)
        return edge
