"""The Merkle sum tree of a pool: one root commits to every slot and to every weight (docs/rules.md 6.2).

- 256 children a node. Level 0 holds the slots in order of enrolment (id, owner, weight); each node above
  holds, for each child, its digest and the sum of the weights under it.
- A node's digest is SHA-256 of its bytes under a prefix of this tree alone. The shape follows from the number
  of slots: every node but the last of its level is full.
- Slots are replaced or appended, never removed, so a change rewrites one path and leaves old roots readable.
- What is loaded is checked against what its parent says of it: digest, level, number of slots and sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from typing import Protocol

import msgspec

FANOUT_BITS = 8
WEIGHT_BYTES = 16
MAX_SLOT_WEIGHT = 2**96 - 1

_DOMAIN = b"trust/pool/v1\n"
_DIGEST_BYTES = 32
_CHILD_BYTES = _DIGEST_BYTES + WEIGHT_BYTES
_HEADER_BYTES = 9

Get = Callable[[bytes], bytes]
Put = Callable[[bytes, bytes], None]


class BadNode(ValueError):
    """Node bytes that are not what their parent or their root commits to."""


class Slot(msgspec.Struct, frozen=True):
    """One place of a pool. Weights are any integers from 0 to 2^96-1; who left keeps a slot of weight 0."""

    id: str
    owner: str
    weight: int


class Root(msgspec.Struct, frozen=True):
    """The statement of a seal: the digest (32 bytes) of the top node, the number of slots, their total weight."""

    digest: bytes
    count: int
    total: int


class Sealed(Protocol):
    """A seal's record or event, with the root in hexadecimal."""

    @property
    def root(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def total(self) -> int: ...


class Ref(msgspec.Struct, frozen=True):
    """A node that is not loaded: its digest, and the weight and the `count` of the slots under it."""

    digest: bytes
    weight: int
    level: int
    count: int


class Leaf(msgspec.Struct, frozen=True):
    """A node of level 0."""

    slots: tuple[Slot, ...]


class Branch(msgspec.Struct, frozen=True):
    """A node of a higher level."""

    level: int
    children: tuple[Ref, ...]


Node = Leaf | Branch


def capacity(level: int) -> int:
    """Returns how many slots fit under one child of a node of this level."""
    return 1 << FANOUT_BITS * level


def top(root: Root) -> Ref:
    """The root as a node to load."""
    return Ref(digest=root.digest, weight=root.total, level=_height(root.count), count=root.count)


def encode(node: Node) -> bytes:
    """The bytes of a node: level (1), slots under it (8), then weights and names, or digests and sums."""
    if isinstance(node, Branch):
        parts = [child.digest + child.weight.to_bytes(WEIGHT_BYTES) for child in node.children]
        return _header(node.level, sum(counts(node))) + b"".join(parts)
    names = [name for slot in node.slots for name in (slot.id, slot.owner)]
    if any("\n" in name for name in names):
        raise ValueError("a line feed in the name of a slot")
    weights = [slot.weight.to_bytes(WEIGHT_BYTES) for slot in node.slots]
    return _header(0, len(weights)) + b"".join(weights) + "\n".join(names).encode()


def digest_of(data: bytes) -> bytes:
    """The digest (32 bytes) by which a node's bytes are known."""
    return sha256(_DOMAIN + data).digest()


def load(ref: Ref, get: Get) -> Node:
    """The node that `ref` speaks of, from the bytes that `get` gives for its digest; BadNode where wrong."""
    return _decoded(ref, get(ref.digest))


@lru_cache(1_024)
def _decoded(ref: Ref, data: bytes) -> Node:
    """The node in these bytes; a pool's top nodes are asked for with every draw."""
    if digest_of(data) != ref.digest:
        raise BadNode("node bytes do not have the digest they are stored under")
    if data[:_HEADER_BYTES] != _header(ref.level, ref.count):
        raise BadNode("a node of another level or size than its place requires")
    body = data[_HEADER_BYTES:]
    node = _decode_branch(ref, body) if ref.level else _decode_leaf(ref, body)
    if sum(weights(node)) != ref.weight:
        raise BadNode("the weights under a node do not add up to its own")
    return node


def weights(node: Node) -> list[int]:
    """The weight of each child."""
    if isinstance(node, Branch):
        return [child.weight for child in node.children]
    return [slot.weight for slot in node.slots]


def counts(node: Node) -> list[int]:
    """The number of slots under each child."""
    if isinstance(node, Branch):
        return [child.count for child in node.children]
    return [1] * len(node.slots)


def build(slots: Iterable[Slot], put: Put) -> Root:
    """The root over all slots; every node's digest and bytes go to `put`."""
    return update(EMPTY, dict(enumerate(slots)), _nothing_stored, put)


def update(root: Root, changes: Mapping[int, Slot], get: Get, put: Put) -> Root:
    """The root after slots were replaced, or appended without a gap; only changed paths go to `put`."""
    if not changes:
        return root
    ordered = sorted(changes.items())
    count = max(root.count, ordered[-1][0] + 1)
    appended = sum(index >= root.count for index in changes)
    if ordered[0][0] < 0 or appended != count - root.count:
        raise ValueError("slots are replaced or appended in order, without a gap")
    if any(not 0 <= slot.weight <= MAX_SLOT_WEIGHT for slot in changes.values()):
        raise ValueError("a weight outside 0..2^96-1")
    old = top(root) if root.count else None
    new = _rewrite(old, _height(count), ordered, get, put)
    return Root(digest=new.digest, count=count, total=new.weight)


def _height(count: int) -> int:
    """The level of the top node over `count` slots."""
    level = 0
    while count > capacity(level + 1):
        level += 1
    return level


def _header(level: int, count: int) -> bytes:
    return level.to_bytes(1) + count.to_bytes(8)


def _decode_leaf(ref: Ref, body: bytes) -> Leaf:
    end = ref.count * WEIGHT_BYTES
    try:
        names = body[end:].decode().split("\n")
    except UnicodeDecodeError:
        raise BadNode("slot names are not UTF-8") from None
    if len(body) < end or len(names) != max(1, 2 * ref.count):
        raise BadNode("not one id and one owner for each weight")
    weights = [int.from_bytes(body[at : at + WEIGHT_BYTES]) for at in range(0, end, WEIGHT_BYTES)]
    return Leaf(tuple(map(Slot, names[::2], names[1::2], weights)))


def _decode_branch(ref: Ref, body: bytes) -> Branch:
    room = capacity(ref.level)
    if len(body) != -(-ref.count // room) * _CHILD_BYTES:
        raise BadNode("a node of another length than its children need")
    children = [
        Ref(
            digest=body[at : at + _DIGEST_BYTES],
            weight=int.from_bytes(body[at + _DIGEST_BYTES : at + _CHILD_BYTES]),
            level=ref.level - 1,
            count=min(room, ref.count - place * room),
        )
        for place, at in enumerate(range(0, len(body), _CHILD_BYTES))
    ]
    return Branch(ref.level, tuple(children))


def _rewrite(old: Ref | None, level: int, changes: Sequence[tuple[int, Slot]], get: Get, put: Put) -> Ref:
    """The node of this level in which the changed slots, counted from its first, replaced the old ones."""
    if level == 0:
        slots = _slots(old, get)
        for index, slot in changes:
            slots[index : index + 1] = [slot]
        return _store(Leaf(tuple(slots)), put)
    children = _children(old, level, get)
    room = capacity(level)
    for place, group in groupby(changes, key=lambda change: change[0] // room):
        before = children[place] if place < len(children) else None
        below = [(index - place * room, slot) for index, slot in group]
        children[place : place + 1] = [_rewrite(before, level - 1, below, get, put)]
    return _store(Branch(level, tuple(children)), put)


def _slots(old: Ref | None, get: Get) -> list[Slot]:
    node = load(old, get) if old else None
    return list(node.slots) if isinstance(node, Leaf) else []


def _children(old: Ref | None, level: int, get: Get) -> list[Ref]:
    if old is None:
        return []
    if old.level < level:
        return [old]  # the tree has grown: what was the root is the first child, or lies below it
    node = load(old, get)
    return list(node.children) if isinstance(node, Branch) else []


def _store(node: Node, put: Put) -> Ref:
    data = encode(node)
    digest = digest_of(data)
    put(digest, data)
    level = node.level if isinstance(node, Branch) else 0
    return Ref(digest=digest, weight=sum(weights(node)), level=level, count=sum(counts(node)))


def _nothing_stored(digest: bytes) -> bytes:
    raise BadNode(f"no node {digest.hex()}")


EMPTY = Root(digest=digest_of(encode(Leaf(()))), count=0, total=0)


def root_of(sealed: Sealed | None) -> Root:
    """The sum tree that a seal speaks of; that of nobody where there is none."""
    if sealed is None:
        return EMPTY
    return Root(bytes.fromhex(sealed.root), sealed.count, sealed.total)
