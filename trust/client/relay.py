"""A relay, or one coordinator of it: asks the service before it confirms a claim, and says who won.

Specified in docs/rules.md 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from trust.client.clients import Bound, C, Client, conversation
from trust.client.exchanges import Accepted
from trust.client.statements import Speaker, cosign, opened
from trust.client.wire import Exchange, Facts
from trust.core.payloads import ClaimRequest, RelayAttest, RelayConfirm, RelayUpdate, TaskAllocate, kind_of
from trust.errors import ClientError
from trust.verify.failures import NotProven
from trust.verify.receipts import Confirmation, Proven, check_confirmed


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
    """The coordinators of relay `relay` whose 32-byte seeds are here: all of the threshold, or one that co-signs."""

    def __init__(self, client: Client[C], relay: str, seeds: Sequence[bytes]) -> None:
        self.transport: C = client.transport
        self.exchanges = client.exchanges
        self.relay = relay
        self._seeds = tuple(seeds)
        self._speaker = Speaker(client.network, self._seeds[0])
        self._now_ms = client.now_ms

    @conversation
    def cosign(self, envelope: bytes) -> Exchange[bytes]:
        """A claim.request, task.allocate or relay.confirm of this relay with these coordinators' signatures added.

        A false relay.confirm convicts all who signed it, so the entry that it names is proven first: `NotProven` where
        that is another claim, `ClientError` where the statement is none that a relay signs for others.
        """
        said = opened(envelope).payload
        if said.network != self._speaker.network:
            raise ClientError("foreign-network", f"a statement in {said.network}")
        match said:
            case RelayConfirm():
                _, proven = yield from self.exchanges.receipt(said.index)
                self._claimed(proven)
                check_confirmed(Confirmation(said, ()), proven)
            case ClaimRequest() | TaskAllocate():
                if said.relay != self.relay:
                    raise ClientError("wrong-relay", f"this is for {said.relay}, not for {self.relay}")
            case _:
                raise ClientError("unknown-kind", f"a relay does not sign a {kind_of(said)} for others")
        return cosign(envelope, *self._seeds)

    def _claimed(self, entry: Proven) -> ClaimRequest:
        """The claim through this relay that an entry holds; `NotProven` where it holds none."""
        said = entry.spoken.payload if entry.spoken else None
        if not isinstance(said, ClaimRequest) or said.relay != self.relay:
            raise NotProven(f"entry {entry.index} is no claim through {self.relay}")
        return said

    def confirm(self, entry: Proven) -> bytes:
        """The `relay.confirm` of a proven claim, signed by these coordinators; others `cosign` it."""
        said = self._claimed(entry)
        return self._speaker.say(
            RelayConfirm,
            self._now_ms(),
            cosigners=self._seeds[1:],
            task=said.task,
            claim=entry.event("claim.opened")["claim"],
            worker=said.actor,
            index=entry.index,
        )

    @conversation
    def attest(self, envelope: bytes) -> Exchange[Accepted]:
        """Says for somebody whom the service did not hear that these coordinators were shown this statement now.

        Only an opening, a commitment or a reveal on a claim through this relay, and only within its window.
        """
        now_ms = self._now_ms()
        said = self._speaker.say(
            RelayAttest,
            now_ms,
            cosigners=self._seeds[1:],
            statement=envelope.decode(),
            shown_ms=now_ms,
        )
        return (yield from self.exchanges.send(said))

    @conversation
    def allocate(
        self, task: str, *, shortlist: int, exclusive_ms: int, candidates: Sequence[str] = ()
    ) -> Exchange[Accepted]:
        """Has the draw decide who may claim a task first: `shortlist` of the candidates, or of all that offer its kind.

        Once a task. The draw follows in an entry of its own; whom it gave, the task's document says.
        """
        said = self._speaker.say(
            TaskAllocate,
            self._now_ms(),
            cosigners=self._seeds[1:],
            task=task,
            relay=self.relay,
            candidates=tuple(candidates),
            shortlist=shortlist,
            exclusive_ms=exclusive_ms,
        )
        return (yield from self.exchanges.send(said))

    @conversation
    def preview(self, request: bytes) -> Exchange[Facts]:
        """What the service would answer to a worker's claim.request now (check rate and stake included)."""
        asked = yield from Relay.cosign.talk(self, request)
        return (yield from self.exchanges.try_claim(asked))

    @conversation
    def grant(self, request: bytes) -> Exchange[Granted]:
        """Asks the service for a worker's claim; only when its entry is proven there is a confirmation.

        Raises the service's error: `already-claimed` names the winner in `extra`.
        """
        asked = yield from Relay.cosign.talk(self, request)
        accepted = yield from self.exchanges.send(asked)
        return Granted(accepted, self.confirm(accepted.entry))

    @conversation
    def update(
        self, name: str, coordinators: Sequence[str], threshold: int, new_seeds: Sequence[bytes] = ()
    ) -> Exchange[Accepted]:
        """Changes the group: these coordinators sign with as many as the threshold that was, and each new one.

        A suspension ends when nobody who signed a false confirmation is among `coordinators` (DIDs).
        """
        said = self._speaker.say(
            RelayUpdate,
            self._now_ms(),
            cosigners=[*self._seeds[1:], *new_seeds],
            relay=self.relay,
            name=name,
            coordinators=tuple(coordinators),
            threshold=threshold,
        )
        return (yield from self.exchanges.send(said))

    @conversation
    def priorities(
        self, task_kind: str, candidates: Sequence[str], task: str | None = None
    ) -> Exchange[Facts]:
        """Candidates in the order in which to offer them the work."""
        return (yield from self.exchanges.priorities(task_kind, candidates, task))
