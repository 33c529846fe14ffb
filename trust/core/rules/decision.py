"""One decision in the making: a draft of the state, and the events that made it so.

Each event folds as it is emitted, so a rule reads what the rules before it did. `close` adds what follows from any
decision: money that reaches a party that left starts unbonding, and a place in a pool whose weight depends on what was
changed says its new weight (docs/rules.md 6.2 and 7). Where that is much, it becomes due at once, for clock entries of
its own: a panel of many verifiers with many enrolments would outgrow the entry that settles it. What a seal commits to,
pools and scores, is due for one when it changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TypeVar

from trust.core import ledger, scorebook, scoring
from trust.core.commands import Spoken
from trust.core.entry import derive_id
from trust.core.events import (
    NETWORK,
    Event,
    MoneyMoved,
    Observed,
    PartiesDue,
    PartyLeft,
    PoolDue,
    PoolWeight,
    WithdrawalOpened,
    service_key,
)
from trust.core.ledger import Transfer
from trust.core.policy import Policy
from trust.core.records import Account, AdoptedPolicy, Key, Network, Party, Pool, Record, Relay, Slot, Task
from trust.core.refusal import Refused
from trust.core.state import Draft, View

R = TypeVar("R", bound=Record)
FREE_PREFIX, FREE_SUFFIX = "agent/", "/free"
MAX_FOLLOWING = 16
SCORED = Observed, PartyLeft
"""The events that change a score."""
WORKER_POOLS = (
    (scoring.worker_pool, scoring.worker_weight),
    (scoring.probation_pool, scoring.probation_weight),
)
"""The pools that a worker is in for each of its capabilities, at the same slot, and what it weighs there."""


class Decision(Draft):
    """A draft with its events; absorbed by its parent when the rules let it through, dropped when they refuse.

    `is_signed` says that a rule asked who signed the statement; none is decided without.
    """

    def __init__(self, parent: View, command: bytes, at_ms: int, spoken: Spoken | None = None) -> None:
        super().__init__(parent)
        self.at_ms = at_ms
        self.events: list[Event] = []
        self._command = command
        self._spoken = spoken
        self._serial = 0
        self.is_signed = False
        self._paid: dict[str, None] = {}
        self._touched: dict[str, None] = {}
        self._scored = False
        self._observed: dict[str, dict[str, None]] = {}

    def emit(self, event: Event) -> None:
        """Records an event and folds it."""
        event.fold(self)
        self.events.append(event)
        self._scored = self._scored or type(event) in SCORED

    def new_id(self, prefix: str) -> str:
        """The id of the next thing that this entry creates."""
        self._serial += 1
        return derive_id(prefix, self._command, self.size, self._serial)

    def opened(self, account: str) -> str:
        """Notes that an account is new with this entry, so that it is not looked up in storage; returns the account."""
        self.writes[Account, account] = None
        return account

    @property
    def spoken(self) -> Spoken:
        """The statement that is decided."""
        if self._spoken is None:
            raise LookupError("no statement is decided here")
        return self._spoken

    # -- reading

    @property
    def network(self) -> Network:
        return self.need(Network, NETWORK)

    @property
    def policy(self) -> Policy:
        """The policy in force, which the next task pins."""
        return self.policy_number(self.network.policy)

    def policy_number(self, number: int) -> Policy:
        """An adopted policy; a task's claims and money go by `task.policy` for ever."""
        return self.need(AdoptedPolicy, str(number)).terms

    def need(self, kind: type[R], id: str) -> R:
        """Returns a record that must exist if the state is consistent."""
        record = self.get(kind, id)
        if record is None:
            raise LookupError(f"the state has no {kind.__name__} {id}")
        return record

    def find(self, kind: type[R], id: str) -> R:
        """A record that a statement names; Refused `unknown-...` where there is none."""
        record = self.get(kind, id)
        if record is None:
            word = kind.__name__.lower()
            word = "agent" if word == "party" else word
            raise Refused(f"unknown-{word}", f"there is no {word} {id} in this network")
        return record

    def active(self, did: str) -> Party:
        """A registered party that has not left; Refused otherwise."""
        party = self.find(Party, did)
        if party.left:
            raise Refused(party.left, f"{did} is {party.left}")
        return party

    def present(self, did: str) -> Party:
        """A registered party that may go on with what it began: one that has not left, or that the operator revoked."""
        party = self.find(Party, did)
        return party if party.expelled else self.active(did)

    def owner(self, did: str) -> str:
        """Returns the declared owner of a DID, else the DID itself."""
        party = self.get(Party, did)
        return did if party is None else party.owner

    def log_key(self, size: int) -> str:
        """Returns the key that signs the checkpoint of a size: a checkpoint that ends with a `key.adopt` is signed by
        the former."""
        key = self.network.log_key
        while (held := self.need(Key, service_key("log", key))).before and size < held.since_index + 2:
            key = held.before
        return key

    def key(self, did: str) -> str:
        """The key that signs for a DID now: a party's current one, else the DID itself."""
        party = self.get(Party, did)
        return did if party is None else party.key

    # -- signatures

    def signed_by(
        self, spoken: Spoken, required: Iterable[str], among: Collection[str] = (), threshold: int = 0
    ) -> None:
        """Checks that exactly these signed: every DID in `required`, and `threshold` of the DIDs in `among`."""
        self.is_signed = True
        signers = set(spoken.signed.signers)
        needed = {self.key(did): did for did in required}
        for key, did in needed.items():
            if key not in signers:
                self._explain_missing(did, signers)
        group = {self.key(did) for did in among}
        for signer in sorted(signers - needed.keys() - group):
            raise Refused("unexpected-signature", f"{signer} has no part in this statement")
        if len(group & signers) < threshold:
            raise Refused(
                "threshold-not-met",
                f"{len(group & signers)} of the {threshold} signatures that the relay needs",
            )

    def _explain_missing(self, did: str, signers: set[str]) -> None:
        for signer in sorted(signers):
            record = self.get(Key, signer)
            if record is not None and record.party == did and record.until_index >= 0:
                raise Refused(
                    "retired-key", f"{signer} stopped being a key of {did} at entry {record.until_index}"
                )
        raise Refused("wrong-signer", f"the signature of {did} by its current key is missing")

    def signed_by_relay(self, spoken: Spoken, relay: Relay) -> None:
        """Checks the actor's signature and the relay's threshold."""
        self.signed_by(spoken, [spoken.payload.actor], relay.coordinators, relay.threshold)

    # -- money

    def balance(self, account: str) -> int:
        """Returns the balance of an account in units."""
        return ledger.balance(self, account)

    def pay(self, why: str, *transfers: Transfer) -> None:
        """Moves money; Refused `insufficient-funds` where an account would go below zero."""
        net = ledger.postings(transfers)
        if not net:
            return
        for account, change in net:
            after = self.balance(account) + change
            if after < 0 and account != ledger.EXTERNAL:
                raise Refused(
                    "insufficient-funds", f"{account} holds {after - change} units, {-change} are needed"
                )
            if abs(after) > ledger.MAX_BALANCE:
                raise Refused("out-of-range", f"{account} cannot hold more than {ledger.MAX_BALANCE} units")
            if account.startswith(FREE_PREFIX) and account.endswith(FREE_SUFFIX):
                self._paid[account[len(FREE_PREFIX) : -len(FREE_SUFFIX)]] = None
        self.emit(MoneyMoved(why=why, postings=net))

    def touch(self, party: str) -> None:
        """Notes that something changed that a verifier's weights depend on: its stake, its accuracy."""
        self._touched[party] = None

    def observed(self, worker: str, *task_kinds: str) -> None:
        """Notes that a worker's record in these kinds changed, and with it what it weighs in their pools."""
        self._observed.setdefault(worker, {}).update(dict.fromkeys(task_kinds))

    # -- what follows from any decision

    def close(self) -> None:
        """Emits the consequences; the decision is complete afterwards."""
        concerned = [
            (party, kinds)
            for did in {**self._paid, **self._touched, **self._observed}
            if (party := self.get(Party, did))
            and ((kinds := self._observed.get(did, {})) or party.left or did in self._touched)
        ]
        weights = [len(party.enrolled) + len(WORKER_POOLS) * len(kinds) for party, kinds in concerned]
        if sum(max(1, count) for count in weights) > MAX_FOLLOWING:
            self.emit(PartiesDue(parties=tuple(party.id for party, _ in concerned)))
        else:
            for party, kinds in concerned:
                self.follow(party, kinds)
        if self._scored:
            self._seal_next(scorebook.POOL, self.policy.reputation.score_epoch_ms)
        self.size += 1

    def follow(self, party: Party, observed: Collection[str]) -> None:
        """Applies the consequences of a party's change: free money of one that left starts unbonding, and its places
        in the pools of verifiers, and of workers in the kinds `observed`, get their new weights."""
        amount = self.balance(ledger.free(party.id))
        if party.left and not party.expelled and amount:
            self.unbond(party.id, ledger.free(party.id), ledger.unbonding(party.id), amount)
        for task_kind, slot in party.enrolled:
            weight = scoring.weight(self, party, task_kind)
            self.weigh(party, scoring.verifier_pool(task_kind), slot, weight)
        for task_kind, slot in zip(party.capabilities, party.places, strict=True):
            if task_kind in observed:
                for pool_of, weight_of in WORKER_POOLS:
                    self.weigh(party, pool_of(task_kind), slot, weight_of(self, party, task_kind))

    def unbond(
        self, party: str, source: str, target: str, amount: int, *, waited: bool = False, reference: str = ""
    ) -> None:
        """Starts a withdrawal from `source`, which waits on `target` until it matures: at once where it has waited."""
        withdrawal = self.new_id("wdr_")
        self.pay("withdrawal.opened", (source, target, amount))
        self.emit(
            WithdrawalOpened(
                withdrawal=withdrawal,
                party=party,
                source=source,
                amount_units=amount,
                matures_ms=self.at_ms + (0 if waited else self.policy.windows.unbonding_ms),
                reference=reference,
            )
        )

    def weigh(self, party: Party, pool_id: str, slot: int, weight: int) -> None:
        """Emits the weight of a pool's slot where it changed, and notes that the pool is due for a seal."""
        before = self.get(Slot, f"{pool_id}/{slot}")
        if before is not None and before.weight == weight:
            return
        owner = "" if party.owner == party.id else party.owner
        self.emit(PoolWeight(pool=pool_id, slot=slot, agent=party.id, owner=owner, weight=weight))
        self._seal_next(pool_id, self.policy.verifiers.epoch_ms)

    def _seal_next(self, pool_id: str, epoch_ms: int) -> None:
        """Has the next epoch begin with a seal, where none is due already."""
        pool = self.get(Pool, pool_id)
        if pool is None or not pool.dirty:
            t0_ms = self.network.t0_ms
            epoch = (self.at_ms - t0_ms) // epoch_ms + 1
            self.emit(PoolDue(pool=pool_id, due_ms=t0_ms + epoch * epoch_ms))

    def task_policy(self, task: Task) -> Policy:
        """The policy that a task pinned."""
        return self.policy_number(task.policy)


def has_left(party: Party, index: int) -> bool:
    """Returns whether a party has left as far as a thing is concerned that began at entry `index`.

    The operator knows a draw before anybody else, so what it revokes after that entry changes nobody's place in it.
    """
    return bool(party.left) and not (party.expelled and party.left_index > index)
