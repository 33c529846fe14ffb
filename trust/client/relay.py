"""A relay, or one coordinator of it: asks the service before it confirms a claim, and says who won.

Specified in docs/rules.md 8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from trust.client import wire
from trust.client.clients import Bound, C, Client, conversation
from trust.client.cosigning import Cosigners
from trust.client.exchanges import Accepted
from trust.client.problems import ServiceError
from trust.client.statements import Speaker, cosign, did_of_seed, opened
from trust.client.wire import Exchange, Facts
from trust.core.payloads import ClaimRequest, RelayAttest, RelayConfirm, RelayUpdate, TaskAllocate, kind_of
from trust.core.receipt import Receipt
from trust.errors import ClientError
from trust.log.ed25519 import PrivateKey
from trust.verify.failures import NotProven
from trust.verify.receipts import Confirmation, Proven, check_confirmed, verify_receipt

MOMENTS_MS = (2, 4, 8, 16, 32, 64, 128)
"""A posting is in a checkpoint once the log's time has moved on, and that is counted in milliseconds; a draw that waits
for no witness is made as soon."""
SHOWN_WITHIN_MS = 5_000
"""How far the time that another coordinator attests may be from the own clock."""


@dataclass(frozen=True, slots=True)
class Granted:
    """A claim that was won, and the signed `relay.confirm` for worker and requester."""

    accepted: Accepted
    confirmation: bytes = field(repr=False)

    @property
    def claim(self) -> str:
        """The claim's id."""
        return self.accepted.created["claim"]


class Relay(Bound[C]):
    """The coordinators of relay `relay` whose 32-byte seeds are here: all of the threshold, or one that co-signs.

    `cosigners` are the addresses of the others by the DIDs of their keys: they are asked where `threshold` is more
    than the seeds that are here.
    """

    def __init__(
        self,
        client: Client[C],
        relay: str,
        seeds: Sequence[PrivateKey],
        *,
        cosigners: Mapping[str, str] | Cosigners | None = None,
        threshold: int = 0,
    ) -> None:
        self.transport: C = client.transport
        self.exchanges = client.exchanges
        self.relay = relay
        self.threshold = threshold or len(seeds)
        self._seeds = tuple(seeds)
        self._own = frozenset(map(did_of_seed, seeds))
        self.cosigners = cosigners if isinstance(cosigners, Cosigners) else Cosigners(cosigners or {})
        self._speaker = Speaker(client.network, self._seeds[0])
        self._now_ms = client.now_ms

    @conversation
    def cosign(self, envelope: bytes, receipt: Receipt | None = None) -> Exchange[bytes]:
        """A claim.request, task.allocate, relay.confirm or relay.attest with these coordinators' signatures added.

        A false relay.confirm convicts all who signed it, so the entry that it names is proven first, by `receipt` or by
        asking the service: `NotProven` where that is another claim, `ClientError` where the statement is none that a
        relay signs for others.
        """
        payload = opened(envelope).payload
        if payload.network != self._speaker.network:
            raise ClientError("foreign-network", f"a statement in {payload.network}")
        match payload:
            case RelayConfirm():
                proven = yield from self._named(payload.index, receipt)
                self._claimed(proven)
                check_confirmed(Confirmation(payload, ()), proven)
            case ClaimRequest() | TaskAllocate():
                self._check_own(payload.relay)
            case RelayAttest():
                self._check_own(payload.relay or self.relay)
                self._check_shown(payload)
            case _:
                raise ClientError("unknown-kind", f"a relay does not sign a {kind_of(payload)} for others")
        return cosign(envelope, *self._seeds)

    def _check_own(self, relay: str) -> None:
        if relay != self.relay:
            raise ClientError("wrong-relay", f"this is for {relay}, not for {self.relay}")

    def _check_shown(self, payload: RelayAttest) -> None:
        """`ClientError` not-attested unless these coordinators are shown the statement at that time too. Whether it is
        signed as it must be, and about a claim, is for the service to say."""
        away_ms = abs(self._now_ms() - payload.shown_ms)
        if away_ms > SHOWN_WITHIN_MS:
            raise ClientError("not-attested", f"{payload.shown_ms} is {away_ms} ms away from now", status=422)

    def _named(self, index: int, receipt: Receipt | None) -> Exchange[Proven]:
        """The entry at an index, from a receipt that proves it where there is one."""
        if receipt is not None and receipt.index == index:
            try:
                return verify_receipt(receipt, self.exchanges.key)
            except NotProven:  # by a newer key of the log than is known here, perhaps
                pass
        _, proven = yield from self.exchanges.receipt(index)
        return proven

    def _claimed(self, entry: Proven) -> ClaimRequest:
        """The claim through this relay that an entry holds; `NotProven` where it holds none."""
        request = entry.spoken.payload if entry.spoken else None
        if not isinstance(request, ClaimRequest) or request.relay != self.relay:
            raise NotProven(f"entry {entry.index} is no claim through {self.relay}")
        return request

    def confirm(self, entry: Proven) -> bytes:
        """The `relay.confirm` of a proven claim, signed by these coordinators; others `cosign` it."""
        request, opened_claim = self._claimed(entry), entry.event("claim.opened")
        return self._speaker.say(
            RelayConfirm,
            self._now_ms(),
            cosigners=self._seeds[1:],
            task=opened_claim["task"],
            claim=opened_claim["claim"],
            worker=request.actor,
            index=entry.index,
        )

    def _joined(self, begun: bytes, entry: Proven) -> bytes:
        """Another's `relay.confirm` with these coordinators' signatures; `NotProven` where the entry says otherwise."""
        statement = opened(begun).payload
        if not isinstance(statement, RelayConfirm) or statement.network != self._speaker.network:
            raise NotProven(f"a {kind_of(statement)} in place of a confirmation")
        self._claimed(entry)
        check_confirmed(Confirmation(statement, ()), entry)
        return cosign(begun, *self._seeds)

    @conversation
    def attest(self, envelope: bytes) -> Exchange[Accepted]:
        """Says to the service for somebody whom it did not hear that this statement was shown now (`attestation`)."""
        statement = yield from Relay.attestation.talk(self, envelope)
        return (yield from self.exchanges.send(statement))

    @conversation
    def attestation(self, envelope: bytes) -> Exchange[bytes]:
        """Returns the `relay.attest` that these coordinators were shown a statement now, signed by the threshold.

        Only what a worker or a verifier owes on a claim, through whichever relay (an output, a renewal, a giving up, an
        opening, a commitment, a reveal), and only within its window. Whoever has it may show it to the service.
        """
        now_ms = self._now_ms()
        attestation = self._speaker.say(
            RelayAttest,
            now_ms,
            cosigners=self._seeds[1:],
            statement=envelope.decode(),
            shown_ms=now_ms,
            relay=self.relay,
        )
        return (yield from self.cosigners.gather(attestation, self._own, self.threshold))

    @conversation
    def allocate(
        self,
        task: str,
        *,
        shortlist: int,
        exclusive_ms: int,
        candidates: Sequence[str] = (),
        squad: str | None = None,
    ) -> Exchange[Accepted]:
        """Has the draw decide who may claim a task first: `shortlist` of the candidates, or of all that offer its kind;
        for a `squad`, who of those that asked joins it.

        Once a task: a second one that is signed speaks against its coordinator. The draw follows in an entry of its
        own; whom it gave, the task's document says.
        """
        statement = self._speaker.say(
            TaskAllocate,
            self._now_ms(),
            cosigners=self._seeds[1:],
            task=task,
            relay=self.relay,
            candidates=tuple(candidates),
            shortlist=shortlist,
            exclusive_ms=exclusive_ms,
            squad=squad,
        )
        statement = yield from self.cosigners.gather(statement, self._own, self.threshold)
        return (yield from self._sent(statement, lambda error: error.code == "not-in-checkpoint"))

    def _sent(self, statement: bytes, is_early: Callable[[ServiceError], bool]) -> Exchange[Accepted]:
        """Sends a statement, and again after a moment while its refusal says that it came too early."""
        for wait_ms in MOMENTS_MS:
            try:
                return (yield from self.exchanges.send(statement))
            except ServiceError as error:
                if not is_early(error):
                    raise
            yield from wire.pause(wait_ms)
        return (yield from self.exchanges.send(statement))

    @conversation
    def preview(self, request: bytes) -> Exchange[Facts]:
        """Returns what the service would answer to a worker's claim.request now (check rate and stake included)."""
        signed = yield from Relay.cosign.talk(self, request)
        return (yield from self.exchanges.try_claim(signed))

    @conversation
    def grant(self, request: bytes) -> Exchange[Granted]:
        """Asks the service for a worker's claim; only when its entry is proven there is a confirmation, with the
        signatures of the whole threshold.

        Raises the service's error: `already-claimed` names the winner in `extra`; `not-allocated` where the worker is
        not on the shortlist, or that is not drawn within a moment. Asking again after any other error
        is safe: a claim that was won meanwhile is confirmed.
        """
        signed = yield from Relay.cosign.talk(self, request)
        signed = yield from Relay.gathered.talk(self, signed)
        accepted = yield from self._sent(signed, _is_being_drawn)
        return Granted(accepted, (yield from Relay.confirmed.talk(self, accepted)))

    @conversation
    def gathered(self, signed: bytes) -> Exchange[bytes]:
        """Returns what these coordinators signed, with the signatures of the whole threshold."""
        return (yield from self.cosigners.gather(signed, self._own, self.threshold))

    @conversation
    def confirmed(self, accepted: Accepted, begun: bytes = b"") -> Exchange[bytes]:
        """The `relay.confirm` of a claim that is on the log, with the signatures of the whole threshold; `begun` is one
        that another coordinator said and signed."""
        confirmation = self._joined(begun, accepted.entry) if begun else self.confirm(accepted.entry)
        return (yield from self.cosigners.gather(confirmation, self._own, self.threshold, accepted.receipt))

    @conversation
    def update(
        self, name: str, coordinators: Sequence[str], threshold: int, new_seeds: Sequence[PrivateKey] = ()
    ) -> Exchange[Accepted]:
        """Changes the group: these coordinators sign with as many as the threshold that was, and each new one.

        A suspension ends when nobody who signed a false confirmation is among `coordinators` (DIDs).
        """
        statement = self._speaker.say(
            RelayUpdate,
            self._now_ms(),
            cosigners=[*self._seeds[1:], *new_seeds],
            relay=self.relay,
            name=name,
            coordinators=tuple(coordinators),
            threshold=threshold,
        )
        return (yield from self.exchanges.send(statement))

    @conversation
    def priorities(
        self, task_kind: str, candidates: Sequence[str], task: str | None = None
    ) -> Exchange[Facts]:
        """Candidates in the order in which to offer them the work."""
        return (yield from self.exchanges.priorities(task_kind, candidates, task))


def _is_being_drawn(error: ServiceError) -> bool:
    """Returns whether a claim was refused because who may claim first is not drawn yet."""
    return error.code == "not-allocated" and "exclusive_until_ms" not in error.extra
