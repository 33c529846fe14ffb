"""The worked examples of docs/protocol.md, made by the project's own code from fixed keys.

`tests/test_docs.py` recomputes each of them from the text of the page with `independent.py`.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from functools import cache
from hashlib import sha256

import msgspec
from msgspec.structs import astuple

from tests.docs import independent
from tests.docs.parts import ROOT, fenced
from trust.core import commands, envelope, identity, rate, rawsums, reputation, rulebook, strict
from trust.core import payloads as p
from trust.core.commands import Incoming, Spoken
from trust.core.decay import Decay, growth
from trust.core.entry import Genesis, decode_entry, derive_id, encode_command
from trust.core.policy import parse
from trust.core.rawsums import Sums
from trust.core.receipt import Receipt
from trust.core.records import Score
from trust.core.refusal import Refused
from trust.core.rulebook import Decided
from trust.core.rules import draws, panel, votes
from trust.core.rules.changes import KNOWN
from trust.core.rules.parties import work_bits
from trust.core.sampling import items, sumtree, vrf
from trust.core.sampling.draw import Picker, Stream
from trust.core.scorebook import scored
from trust.core.state import Draft, MemoryState
from trust.core.uploads import upload
from trust.log import ed25519, merkle
from trust.log.checkpoint import Checkpoint
from trust.log.note import Signer, sign_note
from trust.log.proof import encode_proof
from trust.services.receipts import refusal_note

ORIGIN = "trust.example.org/docs"
START_MS = 1_800_000_000_000
ALICE, OPERATOR, COORDINATOR, LOG, DRAW, BOB = (bytes([number]) * 32 for number in range(1, 7))
NONCE = "287006"
"""Found once by counting up from 0; `proof-of-work` and the log check it."""
CLAIM, SEAT = "clm_aaaaaaaaaaaaaaaaaaaaaaaaaa", "seat_aaaaaaaaaaaaaaaaaaaaaaaaaa"
SIGNER = Signer(ORIGIN, LOG)


def did(seed: bytes) -> str:
    return identity.did_of(ed25519.public_key(seed))


def lines(**values: object) -> str:
    """Lines `name: value`; underscores of names are shown as spaces."""
    return fenced("".join(f"{name.replace('_', ' ')}: {value}\n" for name, value in values.items()))


def said(
    kind: type[p.Payload], actor: bytes, *more: bytes, at_ms: int = START_MS, **values: object
) -> Spoken:
    """A statement in the network of the examples."""
    payload = kind(network=ORIGIN, actor=did(actor), issued_ms=at_ms, expires_ms=at_ms + 600_000, **values)
    return commands.parse(envelope.sign(msgspec.json.encode(payload), [actor, *more]))


def to_claim() -> Spoken:
    """The statement by which Bob claims a task through a relay of one coordinator."""
    relay = "rly_aaaaaaaaaaaaaaaaaaaaaaaaaa"
    return said(
        p.ClaimRequest, BOB, COORDINATOR, task="review-1", task_index=12, relay=relay, stake_units=200
    )


# -- identities and statements


def did_key() -> str:
    key = ed25519.public_key(ALICE)
    return lines(seed=ALICE.hex(), public_key=key.hex(), multicodec=(b"\xed\x01" + key).hex(), did=did(ALICE))


def proof_of_work() -> str:
    text = f"trust/pow/v1\n{ORIGIN}\n{did(ALICE)}\n{NONCE}"
    digest = sha256(text.encode()).hexdigest()
    return lines(
        network=ORIGIN, did=did(ALICE), nonce=NONCE, hashed=json.dumps(text), digest=digest,
        leading_zero_bits=work_bits(ORIGIN, did(ALICE), NONCE),
    )  # fmt: skip


def claim_payload() -> str:
    return fenced(to_claim().signed.payload.decode())


def claim_signed() -> str:
    spoken = to_claim()
    message = envelope.pae(envelope.PAYLOAD_TYPE, spoken.signed.payload)
    values = {
        "worker's seed": BOB.hex(), "coordinator's seed": COORDINATOR.hex(),
        "signed bytes begin with": json.dumps(message[:62].decode()), "signed bytes": len(message),
        "SHA-256 of the signed bytes": sha256(message).hexdigest(), "statement id": spoken.id,
    }  # fmt: skip
    return fenced("".join(f"{name}: {value}\n" for name, value in values.items()))


def claim_envelope() -> str:
    return fenced(json.dumps(json.loads(envelope.encode(to_claim().signed.envelope)), indent=2))


def vote_commitment() -> str:
    reveal = said(
        p.VoteReveal, BOB, seat=SEAT, verdict="pass", salt=strict.base64_of(bytes(range(32)))
    ).payload
    assert isinstance(reveal, p.VoteReveal)
    return lines(
        network=ORIGIN, seat=SEAT, verifier=did(BOB), verdict="pass", salt=bytes(range(32)).hex(),
        items_digest=votes.items_digest(()), commitment=votes.commitment(ORIGIN, SEAT, did(BOB), reveal),
    )  # fmt: skip


def items_judged() -> str:
    leaves = [merkle.leaf_hash(f"item {index}".encode()) for index in (2, 5)]
    judged = tuple(
        p.JudgedItem(index=index, leaf=strict.base64_of(leaf), good=good)
        for index, leaf, good in zip((2, 5), leaves, (True, False), strict=True)
    )
    return lines(
        leaf_of_the_bytes_item_2=leaves[0].hex(), leaf_of_the_bytes_item_5=leaves[1].hex(),
        judged="2 good, 5 bad", items_digest=votes.items_digest(judged),
    )  # fmt: skip


def upload_header() -> str:
    digest, until_ms = sha256(b"no findings").hexdigest(), START_MS + 600_000
    header = upload(ORIGIN, did(BOB), BOB, digest, until_ms)
    return lines(
        network=ORIGIN, seed=BOB.hex(), bytes_stored="no findings", digest=digest, until_ms=until_ms,
        trust_upload=header,
    )  # fmt: skip


# -- the log


@cache
def log() -> tuple[list[Decided], bytes]:
    """The first three entries of a log, and the note that refuses a fourth statement."""
    state, decided = MemoryState(), []
    for incoming in _founding():
        draft = Draft(state)
        decided.append(rulebook.decide(draft, incoming, START_MS))
        state.absorb(draft)
    unknown = said(p.TaskCancel, ALICE, task="review-1")
    try:
        rulebook.decide(Draft(state), unknown, START_MS)
    except Refused as refused:
        root = merkle.root(3, _node(decided))
        note = refusal_note(SIGNER, ORIGIN, unknown.id, refused.code, size=3, at_ms=START_MS, root=root)
    return decided, note


def _founding() -> list[Incoming]:
    policy = parse((ROOT / "policies" / "standard.toml").read_text(encoding="utf-8"))
    decay = Decay(START_MS)
    genesis = Genesis(
        format=1, network=ORIGIN, rules=max(KNOWN), log_key=did(LOG), draw_key=did(DRAW), operator=did(OPERATOR),
        policy=policy, slow_half_life_ms=decay.slow_half_life_ms, fast_half_life_ms=decay.fast_half_life_ms,
        t0_ms=START_MS,
    )  # fmt: skip
    group = (did(COORDINATOR),)
    relay = said(p.RelayRegister, OPERATOR, COORDINATOR, name="relay", coordinators=group, threshold=1)
    return [genesis, relay, said(p.AgentRegister, ALICE, handle="alice", pow=NONCE)]


def _node(decided: list[Decided]) -> Callable[[int, int], bytes]:
    rows = [[merkle.leaf_hash(each.data) for each in decided]]
    while len(rows[-1]) > 1:
        rows.append(merkle.parents(rows[-1]))
    return lambda level, index: rows[level][index]


def entry() -> str:
    return fenced(log()[0][2].data.decode())


def entry_hashes() -> str:
    decided, _ = log()
    return lines(
        bytes=len(decided[2].data), leaf_hash=merkle.leaf_hash(decided[2].data).hex(),
        leaf_hash_of_entry_0=merkle.leaf_hash(decided[0].data).hex(),
        leaf_hash_of_entry_1=merkle.leaf_hash(decided[1].data).hex(),
    )  # fmt: skip


def derived_id() -> str:
    command = encode_command(decode_entry(log()[0][1].data).command)
    return lines(
        command=command.decode(), index=1, serial=1, prefix="rly_", id=derive_id("rly_", command, 1, 1)
    )


def _checkpoint() -> bytes:
    return sign_note(Checkpoint(ORIGIN, 3, merkle.root(3, _node(log()[0]))).body(), SIGNER)


def log_key() -> str:
    return lines(
        log_seed=LOG.hex(), vkey=SIGNER.verifier, key_id=SIGNER.verifier.key_id.hex(),
        root_of_3_entries=merkle.root(3, _node(log()[0])).hex(),
    )  # fmt: skip


def checkpoint() -> str:
    return fenced(_checkpoint().decode())


def receipt() -> str:
    path = merkle.inclusion_proof(2, 3, _node(log()[0]))
    proof = encode_proof(2, path, _checkpoint()).decode()
    made = Receipt(2, strict.base64_of(log()[0][2].data), proof)
    return fenced(json.dumps(json.loads(made.encode()), indent=2, ensure_ascii=False))


def refusal() -> str:
    return fenced(log()[1].decode())


# -- draws


@cache
def beta() -> tuple[bytes, bytes, bytes]:
    """alpha, pi and beta of the examples' draw."""
    alpha = draws.seed_input(ORIGIN, CLAIM, 1, "sha256:" + "ab" * 32)
    pi = vrf.prove(DRAW, alpha)
    return alpha, pi, vrf.verify(ed25519.public_key(DRAW), alpha, pi)


def seed() -> str:
    alpha, pi, drawn = beta()
    return lines(
        network=ORIGIN, claim=CLAIM, round=1, output="sha256:" + "ab" * 32, challenge="(none)", alpha=alpha.hex(),
        draw_key=did(DRAW), pi=pi.hex(), beta=drawn.hex(),
    )  # fmt: skip


def stream() -> str:
    numbers = Stream(beta()[2], panel.LABEL)
    found = [numbers.below(1_000_000), numbers.below(100), numbers.below(7)]
    return lines(label="panel", below_1_000_000=found[0], then_below_100=found[1], then_below_7=found[2])


SLOTS = [
    ("ann", "ann", 300),
    ("bea", "house", 100),
    ("cyd", "house", 0),
    ("dan", "dan", 50),
    ("eve", "eve", 150),
]


def sum_tree() -> str:
    nodes: dict[bytes, bytes] = {}
    root = sumtree.build([sumtree.Slot(*slot) for slot in SLOTS], nodes.__setitem__)
    numbers = Stream(beta()[2], panel.LABEL)
    picker = Picker(root, nodes.__getitem__, numbers, {"ann": 300, "house": 100, "eve": 150})
    order = [slot.id for _ in SLOTS if (slot := picker.pick(lambda slot: True))]
    slots = "; ".join(f"{id} of {owner}: {weight}" for id, owner, weight in SLOTS)
    return lines(
        slots=slots, node=nodes[root.digest].hex(), root=root.digest.hex(), count=root.count, total=root.total,
        heavy="ann: 300; house: 100; eve: 150", order_of_the_draw=", ".join(order),
    )  # fmt: skip


def batch() -> str:
    numbers = Stream(beta()[2], panel.LABEL)
    drawn = items.draw_items(numbers, 20, 6)
    shares = "; ".join(
        f"place {place}: {', '.join(map(str, held))}" for place, held in enumerate(items.share(drawn, 3))
    )
    return lines(
        items=20, sample=6, seats=3, drawn=", ".join(map(str, drawn)), shares=shares,
        accept_count_for_1_000_57_0_ppm=items.accept_count(1_000, 57, 0),
        accept_count_for_1_000_57_50_000_ppm=items.accept_count(1_000, 57, 50_000),
        detection_ppm_for_1_000_57_0_50=items.detection_ppm(1_000, 57, 0, 50),
    )  # fmt: skip


# -- rate and scores


def check_rate() -> str:
    policy = parse((ROOT / "policies" / "standard.toml").read_text(encoding="utf-8"))
    inputs = rate.RateInputs(streak=40, priority_ppm=800_000)
    found = rate.check_rate(inputs, rate.AtStake("code-review", 200, 400), policy)
    return fenced(
        f"inputs: {msgspec.json.encode(inputs).decode()}\nrate: {msgspec.json.encode(found).decode()}"
    )


def forward_decay() -> str:
    t0_ms, day = START_MS, 86_400_000
    values = {
        f"G after {days} days": growth(t0_ms + days * day, t0_ms, 60 * day) for days in (0, 30, 60, 100)
    }
    return fenced("".join(f"{name}: {value}\n" for name, value in values.items()))


def score_row() -> str:
    sums = Sums()
    decay = Decay(START_MS)
    for kind, weight, days in (("good", 4_000, 1), ("good", 800, 2), ("bad", 3_000, 10)):
        sums = rawsums.add(sums, decay, kind, weight, START_MS + days * 86_400_000)  # type: ignore[arg-type]
    record = Score(id="", agent=did(BOB), role="worker", task_kind="code-review", events=3, index=0)
    row = scored(record, 3, sums).encode()
    reading = rawsums.read(sums, decay, START_MS + 20 * 86_400_000)
    values = {
        "row": row.decode(), "leaf hash": merkle.leaf_hash(row).hex(),
        "sums": ", ".join(map(str, astuple(sums))),
        "after 20 days, good slow, bad slow, good fast, bad fast": ", ".join(map(str, astuple(reading))),
        "expected ppm": reputation.expected_ppm(reading), "priority ppm": reputation.priority_ppm(reading),
    }  # fmt: skip
    return fenced("".join(f"{name}: {value}\n" for name, value in values.items()))


def panel_in_code() -> str:
    """The recomputation of a panel, as the tests do it with nothing of the project's."""
    return fenced(inspect.getsource(independent.recomputed_panel), "python")


EXAMPLES: dict[str, Callable[[], str]] = {
    "recomputed-panel": panel_in_code,
    "example-did-key": did_key,
    "example-proof-of-work": proof_of_work,
    "example-claim-payload": claim_payload,
    "example-claim-signed": claim_signed,
    "example-claim-envelope": claim_envelope,
    "example-vote-commitment": vote_commitment,
    "example-items-digest": items_judged,
    "example-upload": upload_header,
    "example-entry": entry,
    "example-entry-hashes": entry_hashes,
    "example-derived-id": derived_id,
    "example-log-key": log_key,
    "example-checkpoint": checkpoint,
    "example-receipt": receipt,
    "example-refusal": refusal,
    "example-seed": seed,
    "example-stream": stream,
    "example-sum-tree": sum_tree,
    "example-batch": batch,
    "example-check-rate": check_rate,
    "example-decay": forward_decay,
    "example-score-row": score_row,
}
