"""The closed list of what parties sign (docs/protocol.md 2): one frozen type a kind, unknown fields refused.

Bounds that need no state are in the types, so that a payload that parses is well-formed. A type also says where its
statements are posted and who signs them. Times are ms since the Unix epoch, money is in units, shares are in ppm.
Patterns end in `$(?!\\n)`: in Python `$` alone lets a line feed follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple, Union

import msgspec
from msgspec import Meta

from trust.core import identity

MAX_INT = 2**53 - 1
MAX_LIFETIME_MS = 3_600_000
LARGE_KINDS = frozenset({"policy.adopt", "evidence.submit", "items.open", "relay.attest"})
MAX_PAYLOAD_BYTES = 16 * 1024
MAX_LARGE_PAYLOAD_BYTES = 40 * 1024
MAX_JUDGED_ITEMS = 128
MAX_REFERENCES = 8
MAX_INPUTS = 64
MAX_PARTS = 16
CLAIM = "clm_"
"""The prefix of the ids of claims."""
CLAIM_ID = rf"{CLAIM}[a-z2-7]{{26}}"
"""The pattern of the id of a claim."""

Did = Annotated[str, Meta(pattern=rf"^{identity.PATTERN}$(?!\n)")]
Network = Annotated[str, Meta(min_length=1, max_length=120)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$(?!\n)")]
Handle = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{1,31}$(?!\n)")]
Hex32 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
ShortText = Annotated[str, Meta(max_length=256, pattern=r"^[ !#-\[\]-~]*$(?!\n)")]
Uri = Annotated[str, Meta(min_length=1, max_length=1024, pattern=r"^[!#-\[\]-~]+$(?!\n)")]
Account = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9:/._-]+$(?!\n)")]
Id = Annotated[str, Meta(pattern=r"^[a-z]{3,4}_[a-z2-7]{26}$(?!\n)")]
Source = Annotated[str, Meta(pattern=rf"^({CLAIM_ID}|[0-9a-f]{{64}})$(?!\n)")]
Base64 = Annotated[str, Meta(max_length=128)]
Ms = Annotated[int, Meta(ge=0, le=MAX_INT)]
Count = Annotated[int, Meta(ge=0, le=MAX_INT)]
Amount = Annotated[int, Meta(ge=1, le=MAX_INT)]
Units = Annotated[int, Meta(ge=0, le=MAX_INT)]
Ppm = Annotated[int, Meta(ge=0, le=1_000_000)]
Kinds = Annotated[tuple[Name, ...], Meta(max_length=16)]


SignedBy = Literal[
    "actor", "active", "present", "operator", "treasurer", "requester", "worker", "verifier", "coordinators",
    "worker and relay", "",
]  # fmt: skip


class Signers(NamedTuple):
    """The signers of a kind: in words, and the rule by which they are checked before the act (`core/rules/signing.py`).

    "" where that depends on more than the statement and what it names: there the act checks it.
    """

    words: str
    by: SignedBy = ""


class Payload(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag_field="kind",
    omit_defaults=True,
):
    """The fields of every statement: for which network, by whom, and when it counts.

    `endpoint` is where the service takes a kind ("" where it is never put to one), `signers` who must sign it.
    """

    endpoint: ClassVar[str] = ""
    signers: ClassVar[Signers]

    network: Network
    actor: Did
    issued_ms: Ms
    expires_ms: Ms


class AgentRegister(Payload, tag="agent.register", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/agents"
    signers: ClassVar[Signers] = Signers("the agent, and its owner where it names one")

    handle: Handle | None = None
    owner: Did | None = None
    capabilities: Kinds = ()
    pow: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[0-9A-Za-z]+$(?!\n)")]


class AgentRotate(Payload, tag="agent.rotate", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/agents"
    signers: ClassVar[Signers] = Signers("the agent with its key before, and the new key")

    new_key: Did


class AgentRevoke(Payload, tag="agent.revoke", frozen=True, kw_only=True):
    """`party` is named where the operator revokes another's registration."""

    endpoint: ClassVar[str] = "/v1/agents"
    signers: ClassVar[Signers] = Signers("the agent, or the operator", "actor")

    reason: ShortText
    party: Did | None = None


class VerifierEnroll(Payload, tag="verifier.enroll", frozen=True, kw_only=True):
    """Offers to check these kinds, and locks `stake_units` more for what its votes answer for."""

    endpoint: ClassVar[str] = "/v1/agents"
    signers: ClassVar[Signers] = Signers("the agent", "active")

    task_kinds: Kinds = ()
    stake_units: Units = 0


class VerifierLeave(Payload, tag="verifier.leave", frozen=True, kw_only=True):
    """Ends every enrolment; the stake comes back after the unbonding time."""

    endpoint: ClassVar[str] = "/v1/agents"
    signers: ClassVar[Signers] = Signers("the agent", "actor")


class RelayRegister(Payload, tag="relay.register", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/admin"
    signers: ClassVar[Signers] = Signers("the operator and every coordinator")

    name: Name
    coordinators: Annotated[tuple[Did, ...], Meta(min_length=1, max_length=7)]
    threshold: Annotated[int, Meta(ge=1, le=7)]


class RelayUpdate(Payload, tag="relay.update", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/admin"
    signers: ClassVar[Signers] = Signers(
        "the actor, every new coordinator, and the threshold of those before; the operator where it ends a suspension"
    )

    relay: Id
    name: Name
    coordinators: Annotated[tuple[Did, ...], Meta(min_length=1, max_length=7)]
    threshold: Annotated[int, Meta(ge=1, le=7)]


class RoleGrant(Payload, tag="role.grant", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/admin"
    signers: ClassVar[Signers] = Signers("the operator", "operator")

    party: Did
    role: Literal["treasurer"]


class RoleRevoke(Payload, tag="role.revoke", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/admin"
    signers: ClassVar[Signers] = Signers("the operator", "operator")

    party: Did
    role: Literal["treasurer"]


class PolicyAdopt(Payload, tag="policy.adopt", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/admin"
    signers: ClassVar[Signers] = Signers("the operator", "operator")

    toml: Annotated[str, Meta(max_length=MAX_LARGE_PAYLOAD_BYTES)]
    effective_ms: Ms


class RulesAdopt(Payload, tag="rules.adopt", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/admin"
    signers: ClassVar[Signers] = Signers("the operator", "operator")

    rules: Annotated[int, Meta(ge=1, le=1_000_000)]
    release: Name
    source_sha256: Hex32
    effective_ms: Ms


class KeyAdopt(Payload, tag="key.adopt", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/admin"
    signers: ClassVar[Signers] = Signers("the operator; for the log also its key before and its new key")

    use: Literal["log", "draw"]
    key: Did


class StakeDeposit(Payload, tag="stake.deposit", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/stakes"
    signers: ClassVar[Signers] = Signers("the operator or a treasurer", "treasurer")

    account: Account
    amount_units: Amount
    reference: Name


class StakePayout(Payload, tag="stake.payout", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/stakes"
    signers: ClassVar[Signers] = Signers(
        "the operator or a treasurer, and whose money it is unless its withdrawal named the reference"
    )

    withdrawal: Id
    reference: Name


class StakeWithdraw(Payload, tag="stake.withdraw", frozen=True, kw_only=True):
    """Starts unbonding `amount_units`, or with `cancel` takes a matured, unpaid withdrawal back.

    `reference` is the payment that will have paid it, where both sides know it ahead; only under it can it be booked.
    """

    endpoint: ClassVar[str] = "/v1/stakes"
    signers: ClassVar[Signers] = Signers("the party", "present")

    amount_units: Amount | None = None
    account: Account | None = None
    cancel: Id | None = None
    reference: Name | None = None


class Items(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`parts` is into how many parts at most a squad may split the batch."""

    count: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    tolerated_bad_ppm: Ppm = 0
    parts: Annotated[int, Meta(ge=1, le=MAX_PARTS)] = 1


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a single output that a squad may split a task into: its name, and its share of price and stake."""

    name: Name
    share_ppm: Annotated[int, Meta(ge=1, le=1_000_000)]


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The name of a task or output in another system, such as `a2a-task`, `mcp-request`, `x402-transaction`,
    `traceparent` or `nostr-event`; no decision reads it."""

    scheme: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$(?!\n)")]
    value: Annotated[str, Meta(min_length=1, max_length=256, pattern=r"^[!#-\[\]-~]+$(?!\n)")]


class TaskPost(Payload, tag="task.post", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/tasks"
    signers: ClassVar[Signers] = Signers("the requester", "active")

    task: Name
    task_kind: Name
    spec_sha256: Hex32
    spec_uri: Uri | None = None
    price_units: Units
    deadline_ms: Ms
    stake_units: Units | None = None
    lease_ms: Ms | None = None
    items: Items | None = None
    assignee: Did | None = None
    relay: Id | None = None
    references: Annotated[tuple[Reference, ...], Meta(max_length=MAX_REFERENCES)] = ()
    parts: Annotated[tuple[Part, ...], Meta(max_length=MAX_PARTS)] = ()


class TaskCancel(Payload, tag="task.cancel", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/tasks"
    signers: ClassVar[Signers] = Signers("the requester", "requester")

    task: Name


class TaskAllocate(Payload, tag="task.allocate", frozen=True, kw_only=True):
    """With `squad` the draw is of who joins it: the candidates are those who asked, and none is named here."""

    endpoint: ClassVar[str] = "/v1/tasks"
    signers: ClassVar[Signers] = Signers("a coordinator, and the threshold of the relay", "coordinators")

    task: Name
    relay: Id
    candidates: Annotated[tuple[Did, ...], Meta(max_length=128)]
    shortlist: Annotated[int, Meta(ge=1, le=128)]
    exclusive_ms: Ms
    squad: Id | None = None


class ClaimRequest(Payload, tag="claim.request", frozen=True, kw_only=True):
    """A worker's claim on a task. `squad` names the squad that the founder claims for: then `stake_units` is the
    sum that its members lock."""

    endpoint: ClassVar[str] = "/v1/claims"
    signers: ClassVar[Signers] = Signers("the worker and the threshold of the relay", "worker and relay")

    task: Name
    task_index: Count
    relay: Id
    stake_units: Units
    squad: Id | None = None


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who takes which part for which stake: of a batch the next `items` items, else the next of the task's parts.

    `surety_units` is the most that it pays, beside, for the failed parts of the others."""

    worker: Did
    stake_units: Units
    items: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    surety_units: Units | None = None


class SquadForm(Payload, tag="squad.form", frozen=True, kw_only=True):
    """Workers agree to take the parts of a task together, where the founder claims it for them before `until_ms`."""

    endpoint: ClassVar[str] = "/v1/claims"
    signers: ClassVar[Signers] = Signers("the founder and every member")

    task: Name
    members: Annotated[tuple[Member, ...], Meta(min_length=2, max_length=MAX_PARTS)]
    until_ms: Ms


class SquadCall(Payload, tag="squad.call", frozen=True, kw_only=True):
    """A worker calls for a squad: it takes the first part, and a draw decides who of those that ask joins it."""

    endpoint: ClassVar[str] = "/v1/claims"
    signers: ClassVar[Signers] = Signers("the founder", "active")

    task: Name
    stake_units: Units
    asks_until_ms: Ms
    until_ms: Ms
    surety_units: Units | None = None


class SquadAsk(Payload, tag="squad.ask", frozen=True, kw_only=True):
    """A worker asks to join a squad that is called for: whichever part it is drawn for, it takes for this stake."""

    endpoint: ClassVar[str] = "/v1/claims"
    signers: ClassVar[Signers] = Signers("the worker that asks", "active")

    squad: Id
    stake_units: Units
    surety_units: Units | None = None


class SquadDissolve(Payload, tag="squad.dissolve", frozen=True, kw_only=True):
    """Ends a squad that has claimed nothing yet."""

    endpoint: ClassVar[str] = "/v1/claims"
    signers: ClassVar[Signers] = Signers("any of its members", "active")

    squad: Id


class ClaimRenew(Payload, tag="claim.renew", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/claims"
    signers: ClassVar[Signers] = Signers("the worker", "worker")

    claim: Id


class ClaimAbandon(Payload, tag="claim.abandon", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/claims"
    signers: ClassVar[Signers] = Signers("the worker", "worker")

    claim: Id


class Artifact(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    name: ShortText
    sha256: Hex32
    size_bytes: Count
    uri: Uri | None = None


class OutputSubmit(Payload, tag="output.submit", frozen=True, kw_only=True):
    """`inputs` is what the output was made from: claims with an output on this log, or digests of blobs. `opened`
    opens it at once, whether it will be drawn or not; the items of a batch are opened as they are drawn."""

    endpoint: ClassVar[str] = "/v1/outputs"
    signers: ClassVar[Signers] = Signers("the worker", "worker")

    claim: Id
    artifacts: Annotated[tuple[Artifact, ...], Meta(min_length=1, max_length=64)]
    items_root: Hex32 | None = None
    items_count: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    inputs: Annotated[tuple[Source, ...], Meta(max_length=MAX_INPUTS)] = ()
    opened: bool = False


class OutputAccept(Payload, tag="output.accept", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/outputs"
    signers: ClassVar[Signers] = Signers("the requester", "requester")

    claim: Id


class OutputOpen(Payload, tag="output.open", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/outputs"
    signers: ClassVar[Signers] = Signers("the worker", "worker")

    claim: Id


class OpenedItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`leaf` and every hash of `path` are base64 of 32 bytes; the path is RFC 9162's inclusion path to `items_root`."""

    index: Count
    leaf: Base64
    path: Annotated[tuple[Base64, ...], Meta(max_length=64)]


class ItemsOpen(Payload, tag="items.open", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/outputs"
    signers: ClassVar[Signers] = Signers("the worker", "worker")

    seat: Id
    items: Annotated[tuple[OpenedItem, ...], Meta(min_length=1, max_length=16)]


class VoteCommit(Payload, tag="vote.commit", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/votes"
    signers: ClassVar[Signers] = Signers("the verifier of the seat", "verifier")

    seat: Id
    commitment: Hex32


class JudgedItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    index: Count
    leaf: Base64
    good: bool


class VoteReveal(Payload, tag="vote.reveal", frozen=True, kw_only=True):
    """`salt` is base64 of 32 bytes; void says that the specification cannot be met, read or judged."""

    endpoint: ClassVar[str] = "/v1/votes"
    signers: ClassVar[Signers] = Signers("the verifier of the seat", "verifier")

    seat: Id
    verdict: Literal["pass", "fail", "void"]
    salt: Base64
    items: Annotated[tuple[JudgedItem, ...], Meta(max_length=MAX_JUDGED_ITEMS)] = ()
    report_sha256: Hex32 | None = None


class VerdictChallenge(Payload, tag="verdict.challenge", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/challenges"
    signers: ClassVar[Signers] = Signers("the challenger", "present")

    claim: Id
    reason: ShortText
    report_sha256: Hex32 | None = None


class CanaryCommit(Payload, tag="canary.commit", frozen=True, kw_only=True):
    endpoint: ClassVar[str] = "/v1/admin"
    signers: ClassVar[Signers] = Signers("the operator", "operator")

    root: Hex32
    count: Annotated[int, Meta(ge=1, le=65_536)]
    open_by_ms: Ms


class CanaryOpen(Payload, tag="canary.open", frozen=True, kw_only=True):
    """`leaf` and each hash of `path` are base64 of 32 bytes; `preimage` is what the leaf is the hash of."""

    endpoint: ClassVar[str] = "/v1/admin"
    signers: ClassVar[Signers] = Signers(
        "the operator; requester and worker of the claim, where it becomes its verdict"
    )

    leaf: Base64
    path: Annotated[tuple[Base64, ...], Meta(max_length=64)]
    preimage: Annotated[str, Meta(max_length=1024)]


class EvidenceSubmit(Payload, tag="evidence.submit", frozen=True, kw_only=True):
    """`statements` are envelopes as JSON, `notes` signed notes; `relay` is who signed, where no claim says so."""

    endpoint: ClassVar[str] = "/v1/evidence"
    signers: ClassVar[Signers] = Signers("whoever shows it", "actor")

    type: Literal["equivocation", "relay-confirm", "log-fork", "canary"]
    statements: Annotated[tuple[Annotated[str, Meta(max_length=40_960)], ...], Meta(max_length=4)] = ()
    notes: Annotated[tuple[Annotated[str, Meta(max_length=16_384)], ...], Meta(max_length=4)] = ()
    relay: Id | None = None


class RelayAttest(Payload, tag="relay.attest", frozen=True, kw_only=True):
    """A relay was shown a statement about a claim at `shown_ms`: its envelope as JSON, which the service had not
    taken. `relay` is who says so, the claim's own relay where it is absent."""

    endpoint: ClassVar[str] = "/v1/votes"
    signers: ClassVar[Signers] = Signers("a coordinator, and the threshold of its relay")

    statement: Annotated[str, Meta(max_length=40_960)]
    shown_ms: Ms
    relay: Id | None = None


class RelayConfirm(Payload, tag="relay.confirm", frozen=True, kw_only=True):
    """A relay's confirmation to worker and requester; it is never on the log, and convicts the relay where it is
    false."""

    signers: ClassVar[Signers] = Signers("the threshold of the relay")

    task: Name
    claim: Id
    worker: Did
    index: Count


KINDS: dict[str, type[Payload]] = {str(kind.__struct_config__.tag): kind for kind in Payload.__subclasses__()}
"""Every statement kind by its wire name, in the order of this file."""

if TYPE_CHECKING:
    Statement = Payload
else:
    Statement = Union[tuple(KINDS.values())]  # noqa: UP007
    """The closed list, as the type that payloads are decoded into."""


def kind_of(payload: Payload) -> str:
    """The wire name of a payload's type, such as `claim.request`."""
    return str(type(payload).__struct_config__.tag)
