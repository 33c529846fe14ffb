"""Test data: seeds and identities, every payload of the closed list, signed envelopes (factory-boy).

Everything is deterministic: the n-th speaker has the n-th seed. A payload is said by the first speaker at `NOW_MS`
unless a test says otherwise; `PAYLOADS` gives the factory of each kind.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from factory import base, declarations

from trust.client.statements import Speaker
from trust.core import envelope, payloads
from trust.core.identity import did_of
from trust.core.payloads import Payload
from trust.core.strict import base64_of
from trust.log import ed25519
from trust.log.note import Signer

NETWORK = "trust.example.org/main"
NOW_MS = 1_800_000_000_000
# The library types its factories, not its declarations.
LazyAttribute: Any = declarations.LazyAttribute
LazyFunction: Any = declarations.LazyFunction
Sequence: Any = declarations.Sequence
POLICIES = Path(__file__).resolve().parents[1] / "policies"


def seed(number: int) -> bytes:
    """The 32-byte seed of the key with this number."""
    return sha256(b"test seed %d" % number).digest()


def did(number: int) -> str:
    """The DID of the key with this number."""
    return did_of(ed25519.public_key(seed(number)))


def derived_id(prefix: str, number: int = 0) -> str:
    """An id that looks like one of an entry: `prefix` with its underscore, and 26 characters."""
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    return prefix + "".join(alphabet[byte % 32] for byte in sha256(b"%d" % number).digest()[:26])


def log_signer(number: int = 1_000) -> Signer:
    """A log key of the network."""
    return Signer(NETWORK, seed(number))


def sign(payload: Payload | bytes, *seeds: bytes) -> bytes:
    """The envelope of a payload, signed by each seed."""
    data = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
    return envelope.sign(data, list(seeds))


class SpeakerFactory(base.Factory[Speaker]):
    """Parties with keys: the n-th has seed number n."""

    class Meta:
        model = Speaker

    network = NETWORK
    seed = Sequence(seed)


class PayloadFactory(base.Factory[Payload]):
    """What every statement says."""

    class Meta:
        abstract = True

    network = NETWORK
    actor = LazyFunction(lambda: did(0))
    issued_ms = NOW_MS
    expires_ms = LazyAttribute(lambda said: said.issued_ms + 600_000)


def _factory(model: type[Payload], **fields: Any) -> type[PayloadFactory]:
    meta = type("Meta", (), {"model": model})
    return type(
        f"{model.__name__}Factory", (PayloadFactory,), {"Meta": meta, "__doc__": model.__doc__, **fields}
    )


AgentRegister = _factory(payloads.AgentRegister, capabilities=("extract",), pow="0")
AgentRotate = _factory(payloads.AgentRotate, new_key=LazyFunction(lambda: did(1)))
AgentRevoke = _factory(payloads.AgentRevoke, reason="moving on")
VerifierEnroll = _factory(payloads.VerifierEnroll, task_kinds=("extract",), stake_units=2_000)
VerifierLeave = _factory(payloads.VerifierLeave)
RelayRegister = _factory(
    payloads.RelayRegister,
    name=Sequence("relay-{}".format),
    coordinators=LazyFunction(lambda: (did(1),)),
    threshold=1,
)
RelayUpdate = _factory(
    payloads.RelayUpdate,
    relay=derived_id("rly_"),
    name="relay",
    coordinators=LazyFunction(lambda: (did(1),)),
    threshold=1,
)
RoleGrant = _factory(payloads.RoleGrant, party=LazyFunction(lambda: did(1)), role="treasurer")
RoleRevoke = _factory(payloads.RoleRevoke, party=LazyFunction(lambda: did(1)), role="treasurer")
PolicyAdopt = _factory(
    payloads.PolicyAdopt,
    toml=LazyFunction(lambda: (POLICIES / "sandbox.toml").read_text(encoding="utf-8")),
    effective_ms=NOW_MS + 86_400_000,
)
RulesAdopt = _factory(
    payloads.RulesAdopt,
    rules=2,
    release="1.1.0",
    source_sha256="ab" * 32,
    effective_ms=NOW_MS + 86_400_000,
)
KeyAdopt = _factory(payloads.KeyAdopt, use="draw", key=LazyFunction(lambda: did(1)))
StakeDeposit = _factory(
    payloads.StakeDeposit,
    account=LazyFunction(lambda: did(1)),
    amount_units=10_000,
    reference=Sequence("payment-{}".format),
)
StakePayout = _factory(
    payloads.StakePayout, withdrawal=derived_id("wdr_"), reference=Sequence("payout-{}".format)
)
StakeWithdraw = _factory(payloads.StakeWithdraw, amount_units=100)
TaskPost = _factory(
    payloads.TaskPost,
    task=Sequence("task-{}".format),
    task_kind="extract",
    spec_sha256="cd" * 32,
    price_units=100,
    deadline_ms=NOW_MS + 3_600_000,
)
TaskCancel = _factory(payloads.TaskCancel, task="task-0")
TaskAllocate = _factory(
    payloads.TaskAllocate,
    task="task-0",
    relay=derived_id("rly_"),
    candidates=(),
    shortlist=3,
    exclusive_ms=1_000,
)
ClaimRequest = _factory(
    payloads.ClaimRequest, task="task-0", task_index=1, relay=derived_id("rly_"), stake_units=200
)
SquadForm = _factory(
    payloads.SquadForm,
    task="task-0",
    members=LazyFunction(
        lambda: tuple(payloads.Member(worker=did(number), stake_units=200) for number in range(2))
    ),
    until_ms=NOW_MS + 60_000,
)
SquadDissolve = _factory(payloads.SquadDissolve, squad=derived_id("sqd_"))
ClaimRenew = _factory(payloads.ClaimRenew, claim=derived_id("clm_"))
ClaimAbandon = _factory(payloads.ClaimAbandon, claim=derived_id("clm_"))
OutputSubmit = _factory(
    payloads.OutputSubmit,
    claim=derived_id("clm_"),
    artifacts=(payloads.Artifact(name="findings.json", sha256="ef" * 32, size_bytes=2),),
)
OutputAccept = _factory(payloads.OutputAccept, claim=derived_id("clm_"))
OutputOpen = _factory(payloads.OutputOpen, claim=derived_id("clm_"))
ItemsOpen = _factory(
    payloads.ItemsOpen,
    seat=derived_id("seat_"),
    items=(payloads.OpenedItem(index=0, leaf=base64_of(bytes(32)), path=()),),
)
VoteCommit = _factory(payloads.VoteCommit, seat=derived_id("seat_"), commitment="01" * 32)
VoteReveal = _factory(
    payloads.VoteReveal, seat=derived_id("seat_"), verdict="pass", salt=base64_of(bytes(32))
)
VerdictChallenge = _factory(payloads.VerdictChallenge, claim=derived_id("clm_"), reason="item 3 is wrong")
CanaryCommit = _factory(payloads.CanaryCommit, root="23" * 32, count=4, open_by_ms=NOW_MS + 86_400_000)
CanaryOpen = _factory(payloads.CanaryOpen, leaf=base64_of(bytes(32)), path=(), preimage="task-0")
EvidenceSubmit = _factory(payloads.EvidenceSubmit, type="log-fork", notes=("a note",))
RelayConfirm = _factory(
    payloads.RelayConfirm,
    task="task-0",
    claim=derived_id("clm_"),
    worker=LazyFunction(lambda: did(0)),
    index=7,
)

PAYLOADS: dict[str, type[PayloadFactory]] = {
    str(made._meta.model.__struct_config__.tag): made
    for made in (
        AgentRegister, AgentRotate, AgentRevoke, VerifierEnroll, VerifierLeave, RelayRegister, RelayUpdate, RoleGrant,
        RoleRevoke, PolicyAdopt, RulesAdopt, KeyAdopt, StakeDeposit, StakePayout, StakeWithdraw, TaskPost, TaskCancel,
        TaskAllocate, ClaimRequest, ClaimRenew, ClaimAbandon, OutputSubmit, OutputAccept, OutputOpen, ItemsOpen,
        VoteCommit, VoteReveal, VerdictChallenge, CanaryCommit, CanaryOpen, EvidenceSubmit, RelayConfirm,
    )
}  # fmt: skip
"""The factory of every kind of statement, by its wire name."""


def statement(kind: str, *, seeds: Iterable[bytes] = (), **fields: Any) -> bytes:
    """A signed envelope of this kind; by the first speaker unless seeds are given."""
    said: Payload = PAYLOADS[kind].build(**fields)
    return sign(said, *(tuple(seeds) or (seed(0),)))
