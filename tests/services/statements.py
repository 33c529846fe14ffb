"""A small network that says what the write path is tested with: real keys, real signatures, real rules."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from itertools import count
from typing import Any

import msgspec

from trust.core import envelope, payloads
from trust.core.commands import Spoken, parse
from trust.core.entry import Genesis
from trust.core.identity import did_of
from trust.core.policy import Policy
from trust.core.policy import parse as parse_policy
from trust.core.rules.parties import work_bits
from trust.log import ed25519
from trust.log.note import Signer
from trust.settings import shipped

ORIGIN = "trust.example.org/test"
START_MS = 1_700_000_000_000
MONEY_UNITS = 10**12
LIFETIME_MS = payloads.MAX_LIFETIME_MS
DEADLINE_MS = 86_400_000
KIND = "summarise"


class Party:
    """Somebody with a key."""

    def __init__(self, name: str) -> None:
        self.seed = sha256(name.encode()).digest()
        self.did = did_of(ed25519.public_key(self.seed))

    def __repr__(self) -> str:
        return self.did


class Town:
    """An operator, a relay with one coordinator, a requester and workers, and what they sign."""

    def __init__(
        self, workers: int = 2, policy: str = "fast", start_ms: int = START_MS, origin: str = ORIGIN
    ) -> None:
        self.origin = origin
        self.now_ms = start_ms
        self.operator, self.coordinator, self.requester = map(Party, ("operator", "coordinator", "requester"))
        self.workers = [Party(f"worker {number}") for number in range(workers)]
        self.log = Signer(origin, Party("log").seed)
        self.draw = Party("draw")
        self.judges: list[Party] = []
        self.policy = policy_of(policy)
        self.relay = ""
        self._serial = count()

    def genesis(self) -> Genesis:
        return Genesis(
            format=1,
            network=self.origin,
            rules=2,
            log_key=did_of(self.log.verifier.public_key),
            draw_key=self.draw.did,
            operator=self.operator.did,
            policy=self.policy,
            slow_half_life_ms=90 * 86_400_000,
            fast_half_life_ms=7 * 86_400_000,
            t0_ms=self.now_ms,
        )

    def say(
        self, kind: type[payloads.Payload], *signers: Party, actor: Party | None = None, **fields: object
    ) -> Spoken:
        """A statement; each is another one, because each is issued at another time."""
        said = kind(
            network=self.origin,
            actor=(actor or signers[0]).did,
            issued_ms=self.now_ms,
            expires_ms=self.now_ms + LIFETIME_MS - next(self._serial) % 1_000_000,
            **fields,
        )
        return parse(envelope.sign(msgspec.json.encode(said), [signer.seed for signer in signers]))

    def register(self, party: Party, **fields: Any) -> Spoken:
        nonce = next(f"{n:x}" for n in count() if work_bits(self.origin, party.did, f"{n:x}") >= self._bits)
        return self.say(payloads.AgentRegister, party, pow=nonce, **{"capabilities": (KIND,), **fields})

    def deposit(self, account: str, amount_units: int = MONEY_UNITS) -> Spoken:
        reference = f"ref-{next(self._serial)}"
        return self.say(
            payloads.StakeDeposit,
            self.operator,
            account=account,
            amount_units=amount_units,
            reference=reference,
        )

    def founding(self) -> Iterator[Spoken]:
        """What follows genesis before anybody can work; the relay's id stands in the last one's entry."""
        for party in (self.requester, *self.workers):
            yield self.register(party)
            yield self.deposit(party.did)
        yield self.deposit("operator/bond")
        yield self.say(
            payloads.RelayRegister,
            self.operator,
            self.coordinator,
            name="relay",
            coordinators=(self.coordinator.did,),
            threshold=1,
        )

    def enlisting(self) -> Iterator[Spoken]:
        """What the judges say before anybody can claim."""
        for party in self.judges:
            yield self.register(party)
            yield self.deposit(party.did)
            stake = self.policy.verifier_stake_units
            yield self.say(payloads.VerifierEnroll, party, task_kinds=(KIND,), stake_units=stake)

    def post(self, task: str, price_units: int = 100, relay: str | None = None) -> Spoken:
        return self.say(
            payloads.TaskPost,
            self.requester,
            task=task,
            task_kind=KIND,
            spec_sha256=sha256(task.encode()).hexdigest(),
            price_units=price_units,
            deadline_ms=self.now_ms + DEADLINE_MS,
            relay=relay,
        )

    def allocation(self, task: str, candidates: tuple[str, ...], shortlist: int = 2) -> Spoken:
        return self.say(
            payloads.TaskAllocate,
            self.coordinator,
            task=task,
            relay=self.relay,
            candidates=candidates,
            shortlist=shortlist,
            exclusive_ms=self.policy.allocation.min_exclusive_ms,
        )

    def claim(self, task: str, task_index: int, worker: Party) -> Spoken:
        return self.say(
            payloads.ClaimRequest,
            worker,
            self.coordinator,
            task=task,
            task_index=task_index,
            relay=self.relay,
            stake_units=self.policy.claims.min_stake_units * 10,
        )

    def output(self, claim: str, worker: Party) -> Spoken:
        digest = sha256(claim.encode()).hexdigest()
        artifact = payloads.Artifact(name="answer", sha256=digest, size_bytes=1_000)
        return self.say(payloads.OutputSubmit, worker, claim=claim, artifacts=(artifact,))

    @property
    def _bits(self) -> int:
        return self.policy.registration.pow_bits


def policy_of(name: str) -> Policy:
    """A shipped policy, with little work at registration, and verifiers of any age."""
    policy = parse_policy((shipped("policies") / f"{name}.toml").read_text())
    return msgspec.structs.replace(
        policy,
        registration=msgspec.structs.replace(policy.registration, pow_bits=4),
        verifiers=msgspec.structs.replace(policy.verifiers, min_age_ms=0),
    )


def created(entry: bytes, event: str, field: str) -> str:
    """The id that an entry's event of this kind names."""
    events = msgspec.json.decode(entry)["events"]
    return next(str(each[field]) for each in events if each["kind"] == event)
