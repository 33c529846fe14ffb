"""The role of any agent: register, change its key, offer to check, move its money, and doubt what a relay tells it."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Iterable
from hashlib import sha256
from typing import Any, TypeVar

from trust.client import statements, wire
from trust.client.clients import Bound, C, Client, conversation
from trust.client.exchanges import Accepted
from trust.client.following import Following
from trust.client.speculation import Early
from trust.client.statements import Speaker, build, did_of_seed, sign
from trust.client.transports import AsyncTransport
from trust.client.wire import Exchange
from trust.core.payloads import (
    MAX_LIFETIME_MS,
    AgentRegister,
    AgentRotate,
    Payload,
    StakePayout,
    StakeWithdraw,
    VerdictChallenge,
    VerifierEnroll,
)
from trust.core.uploads import LIFETIME_MS, upload
from trust.log.ed25519 import PrivateKey
from trust.verify.failures import NotProven
from trust.verify.receipts import Proven, check_confirmed, verify_confirmation

T = TypeVar("T")


class Agent(Bound[C]):
    """A party with a key. `seed` is the 32-byte seed of its current key, or a `remote_key`; `actor` its id where
    that is older.

    Every method that says something returns `Accepted`: the entry, proven, and the receipt to keep.
    """

    def __init__(self, client: Client[C], seed: PrivateKey, actor: str = "") -> None:
        self.transport: C = client.transport
        self.exchanges = client.exchanges
        self.me = Speaker(client.network, seed, actor)
        self._now_ms = client.now_ms

    @property
    def did(self) -> str:
        """This party's id."""
        return self.me.actor

    def say(self, kind: type[Payload], *, cosigners: Iterable[PrivateKey] = (), **fields: Any) -> bytes:
        """A signed envelope, not sent yet; fields that are None are left out."""
        return self.me.say(kind, self._now_ms(), cosigners=cosigners, **fields)

    def tell(self, kind: type[Payload], **fields: Any) -> Exchange[Accepted]:
        """Says it to the service."""
        return (yield from self.exchanges.send(self.say(kind, **fields)))

    @conversation
    def send(self, /, kind: type[Payload], **fields: Any) -> Exchange[Accepted]:
        """Signs a statement of any kind by its fields, such as `send(ClaimRenew, claim=claim)`, and sends it."""
        return (yield from self.tell(kind, **fields))

    def store(self, data: bytes) -> Exchange[str]:
        """Stores bytes that a statement will name, signed for; returns their SHA-256 in hex."""
        until_ms = self._now_ms() + LIFETIME_MS
        digest = sha256(data).hexdigest()
        signed = upload(self.me.network, self.me.actor, self.me.seed, digest, until_ms)
        return (yield from self.exchanges.put_blob(data, signed))

    def exchange(self: Agent[AsyncTransport], talk: Exchange[T]) -> Awaitable[T]:
        """A conversation of this party, on its event loop."""
        return self.transport.run(talk)

    def build_on(self: Agent[AsyncTransport], claim: str, log: Following, *, patient: bool = False) -> Early:
        """Work on an output before its check is over: `async with agent.build_on(claim, log) as early`.

        Where a verdict takes the output back, the work is cancelled and undone; with `patient` only where the claim
        ends so.
        """
        return Early(self, claim, log, patient=patient)

    @conversation
    def register(
        self,
        handle: str | None = None,
        capabilities: Iterable[str] = (),
        owner_seed: PrivateKey | None = None,
    ) -> Exchange[Accepted]:
        """Registers, with the proof of work that the policy asks; `owner_seed` is who stands behind several agents."""
        policy = yield from self.exchanges.policy()
        bits = registration_bits(policy)
        nonce = yield from wire.compute(lambda: statements.find_nonce(self.me.network, self.did, bits))
        statement = self.say(
            AgentRegister,
            cosigners=[owner_seed] if owner_seed else [],
            handle=handle,
            owner=did_of_seed(owner_seed) if owner_seed else None,
            capabilities=tuple(capabilities),
            pow=nonce,
        )
        return (yield from self.exchanges.send(statement))

    @conversation
    def rotate(self, new_seed: PrivateKey) -> Exchange[Accepted]:
        """Gives this party another key; from then on this object signs with it."""
        statement = self.say(AgentRotate, cosigners=[new_seed], new_key=did_of_seed(new_seed))
        accepted = yield from self.exchanges.send(statement)
        self.me = Speaker(self.me.network, new_seed, self.did)
        return accepted

    @conversation
    def enroll(self, task_kinds: Iterable[str], stake_units: int = 0) -> Exchange[Accepted]:
        """Offers to check work of these kinds, and locks so much more for what its votes answer for."""
        return (yield from self.tell(VerifierEnroll, task_kinds=tuple(task_kinds), stake_units=stake_units))

    @conversation
    def withdraw(
        self, amount_units: int, account: str | None = None, reference: str | None = None
    ) -> Exchange[Accepted]:
        """Starts unbonding free money; `created["withdrawal"]` names it. The operator may name `operator/bond`.

        `reference` agrees to a payment ahead: under it alone a treasurer can book that the money was paid out.
        """
        fields = {"amount_units": amount_units, "account": account, "reference": reference}
        return (yield from self.tell(StakeWithdraw, **fields))

    def agree_to_payout(self, withdrawal: str, reference: str, treasurer: str) -> bytes:
        """The `stake.payout` that a treasurer may book, signed by whose money it is: against the payment alone."""
        payout = build(
            StakePayout,
            self.me.network,
            treasurer,
            self._now_ms(),
            MAX_LIFETIME_MS,
            withdrawal=withdrawal,
            reference=reference,
        )
        return sign(payout, [self.me.seed])

    @conversation
    def challenge(self, claim: str, reason: str, report: bytes | None = None) -> Exchange[Accepted]:
        """Attacks a verdict, or an output that was not checked; a report is stored as a blob first."""
        digest = (yield from self.store(report)) if report is not None else None
        return (yield from self.tell(VerdictChallenge, claim=claim, reason=reason, report_sha256=digest))

    @conversation
    def confirmed(
        self, confirmation: bytes, coordinators: Collection[str], threshold: int
    ) -> Exchange[Proven]:
        """The entry behind a relay's `relay.confirm`: its threshold signed it, and the log names the same winner.

        Raises `NotProven` otherwise; a false confirmation convicts the relay, so keep it.
        """
        confirmed_claim = verify_confirmation(confirmation, self.me.network, coordinators, threshold)
        _, proven = yield from self.exchanges.receipt(confirmed_claim.statement.index)
        check_confirmed(confirmed_claim, proven)
        return proven


def registration_bits(policy: wire.Facts) -> int:
    """The proof of work that a policy, as `GET /v1/policy` shows it, asks of a registration."""
    terms = policy.get("terms", policy)
    bits = terms.get("registration", {}).get("pow_bits") if isinstance(terms, dict) else None
    if not isinstance(bits, int) or not 0 <= bits <= 40:
        raise NotProven("the policy does not say what proof of work it asks")
    return bits
