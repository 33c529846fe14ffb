"""A second implementation of docs/protocol.md, from its text alone: hashlib, json, base64 and PyNaCl, none of ours.

It is what a reader in another language would write: identities, statements, receipts, notes, draws, panels, scores.
Numbers in docstrings are sections of docs/protocol.md. It decides nothing: the rules are docs/rules.md.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256, sha512
from itertools import count
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

Json = dict[str, Any]
PAYLOAD_TYPE = "application/vnd.ants.trust.v1+json"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def compact(value: Any) -> bytes:
    """JSON in UTF-8 without spaces, keys in the order of the object."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def unb64(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


# -- identities (1)


def public_key(seed: bytes) -> bytes:
    return bytes(SigningKey(seed).verify_key)


def did(key: bytes) -> str:
    """did:key of a 32-byte Ed25519 public key (1.1)."""
    number, digits = int.from_bytes(b"\xed\x01" + key, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    return "did:key:z" + digits


def key_of(name: str) -> bytes:
    number = 0
    for character in name.removeprefix("did:key:z"):
        number = number * 58 + BASE58.index(character)
    raw = number.to_bytes(34, "big")
    assert raw[:2] == b"\xed\x01"
    return raw[2:]


def work_digest(network: str, agent: str, nonce: str) -> bytes:
    """What a registration's nonce is judged by (1.3)."""
    return sha256(f"trust/pow/v1\n{network}\n{agent}\n{nonce}".encode()).digest()


def zero_bits(digest: bytes) -> int:
    return 256 - int.from_bytes(digest, "big").bit_length()


def find_nonce(network: str, agent: str, bits: int) -> str:
    return next(str(n) for n in count() if zero_bits(work_digest(network, agent, str(n))) >= bits)


# -- statements (2)


def pae(payload: bytes, payload_type: str = PAYLOAD_TYPE) -> bytes:
    """The bytes that a DSSE signature covers (2.1)."""
    name = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def statement(kind: str, network: str, actor: str, now_ms: int, **fields: Any) -> bytes:
    """A payload's bytes; who signs keeps them as they are."""
    common = {"network": network, "actor": actor, "issued_ms": now_ms, "expires_ms": now_ms + 600_000}
    return compact({"kind": kind, **common, **fields})


def envelope(payload: bytes, *seeds: bytes) -> Json:
    """The DSSE envelope of a payload, signed with each of these 32-byte seeds."""
    signed = [
        {"keyid": did(public_key(seed)), "sig": b64(SigningKey(seed).sign(pae(payload)).signature)}
        for seed in seeds
    ]
    return {"payloadType": PAYLOAD_TYPE, "payload": b64(payload), "signatures": signed}


def statement_id(payload: bytes) -> str:
    return "sha256:" + sha256(payload).hexdigest()


def verified_payload(signed: Json) -> Json:
    """The payload of an envelope, every signature of which must hold."""
    payload = unb64(signed["payload"])
    assert signed["payloadType"] == PAYLOAD_TYPE
    assert signed["signatures"]
    for each in signed["signatures"]:
        VerifyKey(key_of(each["keyid"])).verify(pae(payload), unb64(each["sig"]))
    return dict(json.loads(payload))


def commitment(
    network: str, seat: str, verifier: str, verdict: str, salt: bytes, items: str = "0" * 64
) -> str:
    """What a verifier commits to before it reveals (2.4)."""
    lines = ("trust/vote/v1", network, seat, verifier, verdict, salt.hex(), items)
    return sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def items_digest(judged: Sequence[tuple[int, bytes, bool]]) -> str:
    parts = [index.to_bytes(8, "big") + leaf + bytes([good]) for index, leaf, good in sorted(judged)]
    return sha256(b"".join(parts)).hexdigest() if parts else "0" * 64


def upload(network: str, seed: bytes, digest: str, until_ms: int) -> str:
    """The header by which the party of a key signs for bytes that nothing on the log names yet (5.3)."""
    party = did(public_key(seed))
    said = f"trust/upload/v1\n{network}\n{party}\n{digest}\n{until_ms}\n"
    return f"{party} {until_ms} {b64(SigningKey(seed).sign(said.encode()).signature)}"


# -- the log (3, 4)


def derived_id(prefix: str, command: bytes, index: int, serial: int) -> str:
    """The id of the `serial`-th thing that entry `index` creates (3.3)."""
    text = b"trust/id/v1\n%b\n%b%d\n%d\n" % (prefix.encode(), sha256(command).digest(), index, serial)
    raw = index.to_bytes(5, "big") + sha256(text).digest()[:12]
    return prefix + base64.b32encode(raw).decode()[:26].lower()


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def root_from_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """RFC 9162, 2.1.3.2: the root that an inclusion path leads to."""
    assert index < size
    place, last, found = index, size - 1, leaf
    for step in path:
        assert last > 0
        if place & 1 or place == last:
            found = node_hash(step, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, step)
        place, last = place >> 1, last >> 1
    assert last == 0
    return found


def verified_note(note: str, vkey: str) -> str:
    """The text of a signed note that this key signed (4.2)."""
    name, key_id, encoded = vkey.split("+", 2)
    kind_and_key = unb64(encoded)
    assert kind_and_key[0] == 1
    assert sha256(name.encode() + b"\n" + kind_and_key).digest()[:4].hex() == key_id
    text, _, lines = note.rpartition("\n\n")
    for line in lines.splitlines():
        dash, signer, blob = line.split(" ")
        raw = unb64(blob)
        if (dash, signer, raw[:4].hex()) == ("\N{EM DASH}", name, key_id):
            VerifyKey(kind_and_key[1:]).verify(f"{text}\n".encode(), raw[4:])
            return text + "\n"
    raise BadSignatureError("the log's key did not sign the note")


def verified_checkpoint(note: str, vkey: str) -> tuple[int, bytes]:
    """Size and root of a checkpoint (4.2)."""
    origin, size, root, *_ = verified_note(note, vkey).split("\n")
    assert origin == vkey.split("+", maxsplit=1)[0]
    return int(size), unb64(root)


def verified_receipt(receipt: Json, vkey: str) -> Json:
    """The entry that a receipt proves, as JSON (4.4)."""
    data, text = unb64(receipt["entry"]), str(receipt["proof"])
    head, _, note = text.partition("\n\n")
    header, index, *steps = head.split("\n")
    assert header == "c2sp.org/tlog-proof@v1"
    assert index == f"index {receipt['index']}"
    size, root = verified_checkpoint(note, vkey)
    assert root_from_path(leaf_hash(data), receipt["index"], size, [unb64(step) for step in steps]) == root
    entry: Json = json.loads(data)
    if "statement" in entry["command"]:
        verified_payload(entry["command"]["statement"])
    return entry


def verified_bundle(bundle: Json, vkey: str) -> dict[int, Json]:
    """The entries of a bundle by index, each proved to be in the log (4.6)."""
    size, root = verified_checkpoint(bundle["checkpoint"], vkey)
    hashes, entries = [unb64(each) for each in bundle["hashes"]], {}
    for each in bundle["entries"]:
        data, path = unb64(each["entry"]), [hashes[place] for place in each["path"]]
        assert root_from_path(leaf_hash(data), each["index"], size, path) == root
        entries[each["index"]] = json.loads(data)
    return entries


# -- the curve (RFC 8032), for the VRF

P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P
ORDER = 2**252 + 27742317777372353535851937790883648493
Point = tuple[int, int, int, int]
IDENTITY: Point = (0, 1, 1, 0)


def add(p: Point, q: Point) -> Point:
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar: int, p: Point) -> Point:
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, p)
        p, scalar = add(p, p), scalar >> 1
    return result


def negative(p: Point) -> Point:
    return -p[0] % P, p[1], p[2], -p[3] % P


def encode_point(p: Point) -> bytes:
    inverse = pow(p[2], P - 2, P)
    x, y = p[0] * inverse % P, p[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def decode_point(data: bytes) -> Point | None:
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= P:
        return None
    squared = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(squared, (P + 3) // 8, P)
    if (x * x - squared) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if (x * x - squared) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


_BASE = decode_point((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
assert _BASE is not None
BASE: Point = _BASE


# -- draws (7)


def seed_input(network: str, claim: str, number: int, output: str, before: str = "") -> bytes:
    """alpha, the VRF's input (7.1)."""
    parts = ("trust/seed/v1", network, claim, str(number), output, before)
    return b"".join(len(part.encode()).to_bytes(8, "big") + part.encode() for part in parts)


def vrf_beta(key: bytes, alpha: bytes, pi: bytes) -> bytes:
    """beta, where `pi` is the ECVRF-EDWARDS25519-SHA512-TAI proof of `key` over `alpha` (7.2)."""
    gamma, y = decode_point(pi[:32]), decode_point(key)
    challenge, s = int.from_bytes(pi[32:48], "little"), int.from_bytes(pi[48:], "little")
    assert gamma is not None
    assert y is not None
    assert s < ORDER
    h = _hash_to_curve(key, alpha)
    u = add(multiply(s, BASE), negative(multiply(challenge, y)))
    v = add(multiply(s, h), negative(multiply(challenge, gamma)))
    points = b"".join(map(encode_point, (y, h, gamma, u, v)))
    assert sha512(b"\x03\x02" + points + b"\x00").digest()[:16] == pi[32:48]
    return sha512(b"\x03\x03" + encode_point(multiply(8, gamma)) + b"\x00").digest()


def _hash_to_curve(key: bytes, alpha: bytes) -> Point:
    for counter in range(256):
        point = decode_point(sha512(b"\x03\x01" + key + alpha + bytes([counter, 0])).digest()[:32])
        if point is not None and encode_point(multiply(8, point)) != encode_point(IDENTITY):
            return multiply(8, point)
    raise ValueError("no counter leads to a point")


class Stream:
    """Uniform integers out of beta and a label (7.3)."""

    def __init__(self, beta: bytes, label: bytes) -> None:
        text = b"trust/draw/v1\n%d\n%b%d\n%b" % (len(beta), beta, len(label), label)
        self.key, self.counter = sha256(text).digest(), 0

    def below(self, n: int) -> int:
        while True:
            block = sha256(self.key + self.counter.to_bytes(8, "big")).digest()
            self.counter += 1
            value = int.from_bytes(block, "big")
            if value < 2**256 - 2**256 % n:
                return value % n


Slot = tuple[str, str, int]


def node_digest(data: bytes) -> str:
    """The name of a node of a pool's sum tree (7.4)."""
    return sha256(b"trust/pool/v1\n" + data).hexdigest()


def leaf_node(slots: Sequence[Slot]) -> bytes:
    """The bytes of a node of level 0 (7.4)."""
    weights = b"".join(weight.to_bytes(16, "big") for _, _, weight in slots)
    names = "\n".join(name for agent, owner, _ in slots for name in (agent, owner))
    return b"\x00" + len(slots).to_bytes(8, "big") + weights + names.encode()


def pool_slots(root: str, nodes: dict[str, bytes]) -> list[Slot]:
    """All slots under a node, in order; for a pool whose nodes are all at hand."""
    data = nodes[root]
    assert node_digest(data) == root
    level, held, body = data[0], int.from_bytes(data[1:9], "big"), data[9:]
    if level:
        children = [body[at : at + 32].hex() for at in range(0, len(body), 48)]
        return [slot for child in children for slot in pool_slots(child, nodes)]
    names = body[16 * held :].decode().split("\n")
    weights = [int.from_bytes(body[at : at + 16], "big") for at in range(0, 16 * held, 16)]
    return list(zip(names[::2], names[1::2], weights, strict=True))


def picks(slots: Sequence[Slot], heavy: dict[str, int], stream: Stream) -> Iterator[Slot]:
    """Every slot of a pool in the order in which a draw comes upon it (7.5)."""
    left, total = list(slots), sum(weight for _, _, weight in slots)
    while weight_left := sum(weight for _, _, weight in left):
        ticket = stream.below(weight_left)
        for place, (_, owner, weight) in enumerate(left):  # noqa: B007
            ticket -= weight
            if ticket < 0:
                break
        capped = 10 * heavy.get(owner, 0)
        if capped > total and stream.below(capped) >= total:
            continue
        yield left.pop(place)


def panel(
    slots: Sequence[Slot], heavy: dict[str, int], stream: Stream, seats: int, may_sit: Callable[[Slot], bool]
) -> tuple[list[str], list[str]]:
    """Seats and alternates of a panel (7.6)."""
    owners: set[str] = set()
    found: list[str] = []
    for slot in picks(slots, heavy, stream):
        if slot[1] in owners or not may_sit(slot):
            continue
        owners.add(slot[1])
        found.append(slot[0])
        if len(found) == 2 * seats:
            break
    return found[:seats], found[seats:]


def recomputed_panel(
    bundle: Json, vkey: str, may_sit: Callable[[Slot], bool]
) -> tuple[Json, list[str], list[str]]:
    """From a bundle: the event that seats the first panel, and the seats and alternates that its draw leads to."""
    entries = verified_bundle(bundle, vkey)
    genesis = entries[0]["command"]["genesis"]
    events = {event["kind"]: event for entry in entries.values() for event in entry["events"]}
    opened = next(e for entry in entries.values() for e in entry["events"] if e["kind"] == "claim.opened")
    draw = next(e["command"]["draw"] for e in entries.values() if e["command"].get("draw"))
    assert draw["for"] == f"{bundle['claim']}/1"
    [beacon] = draw["beacons"]
    assert beacon["key"] == opened["draw_key"]
    output = events["output.submitted"]["output"]
    alpha = seed_input(genesis["network"], bundle["claim"], 1, output)
    beta = vrf_beta(key_of(beacon["key"]), alpha, bytes.fromhex(beacon["pi"]))
    assert beta.hex() == beacon["beta"]
    stream = Stream(beta, b"panel")
    assert stream.below(1_000_000) < opened["rate_ppm"]  # the coin: checked
    seal = events["pool.sealed"]
    assert f"{seal['pool']}/{seal['epoch']}" == opened["pool"]
    nodes = {node_digest(data): data for data in map(unb64, bundle["pool"])}
    slots, heavy = pool_slots(seal["root"], nodes), dict(seal["heavy"])
    seated = events["round.opened"]
    return seated, *panel(slots, heavy, stream, len(seated["seats"]), may_sit)


# -- scores (8)


def growth(t_ms: int, t0_ms: int, half_life_ms: int) -> int:
    """G(t) (reputation.md 2.2), with the table's entry computed by itself: floor(2^16 * 2^(j/4096))."""
    doublings, step = divmod((t_ms - t0_ms) * 4096 // half_life_ms, 4096)
    return _root_of_two(step) << doublings


def _root_of_two(step: int) -> int:
    """floor(2^16 * 2^(step/4096)): the largest n with n^4096 <= 2^(16*4096 + step)."""
    low, high, target = 1 << 16, 1 << 17, 16 * 4096 + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**4096 <= 1 << target else (low, middle)
    return low


def decode_sums(data: bytes) -> list[int]:
    """Six raw sums (8.2)."""
    sums, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        sums.append(int.from_bytes(data[at + 2 : at + 2 + length], "big"))
        at += 2 + length
    assert len(sums) == 6
    return sums
