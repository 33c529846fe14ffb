"""The role of the operator: books money, registers relays, adopts policies. A treasurer does the first of these."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from trust.client.agents import Agent
from trust.client.canaries import Canaries
from trust.client.clients import C, conversation
from trust.client.exchanges import Accepted
from trust.client.problems import ServiceError
from trust.client.statements import cosign, did_of_seed, opened
from trust.client.wire import Exchange
from trust.core.payloads import (
    CanaryCommit,
    CanaryOpen,
    KeyAdopt,
    Payload,
    RelayRegister,
    StakeDeposit,
    StakePayout,
)
from trust.errors import ClientError
from trust.log.ed25519 import PrivateKey


class Treasurer(Agent[C]):
    """Books money that came in and went out, each under a reference of its own, once.

    What is on the log under the same terms is `repeated`, whoever booked it; other terms are `reference-booked`.
    """

    @conversation
    def deposit(self, account: str, amount_units: int, reference: str) -> Exchange[Accepted]:
        """Books a deposit to an agent (its id) or to `operator/bond`."""
        return (
            yield from self._once(
                StakeDeposit, account=account, amount_units=amount_units, reference=reference
            )
        )

    @conversation
    def pay_out(self, withdrawal: str, reference: str) -> Exchange[Accepted]:
        """Books that a matured withdrawal was paid under the reference that it named."""
        return (yield from self._once(StakePayout, withdrawal=withdrawal, reference=reference))

    def _once(self, kind: type[Payload], **fields: Any) -> Exchange[Accepted]:
        try:
            return (yield from self.tell(kind, **fields))
        except ServiceError as error:
            index = error.extra.get("index")
            if error.code != "reference-booked" or not isinstance(index, int):
                raise
            receipt, proven = yield from self.exchanges.receipt(index)
            said = proven.spoken.payload if proven.spoken else None
            is_same = isinstance(said, kind) and all(
                getattr(said, name) == value for name, value in fields.items()
            )
            if proven.spoken is None or not is_same:
                raise
            return Accepted(proven.spoken.id, True, receipt, proven)

    @conversation
    def pay_out_agreed(self, agreed: bytes) -> Exchange[Accepted]:
        """Books a payout that the one who was paid has signed (`Agent.agree_to_payout`)."""
        if not isinstance(opened(agreed).payload, StakePayout):
            raise ClientError("malformed", "what was agreed to is no stake.payout")
        return (yield from self.exchanges.send(cosign(agreed, self.me.seed)))


class Operator(Treasurer[C]):
    """The operator, who is the first treasurer too."""

    @conversation
    def register_relay(
        self, name: str, coordinator_seeds: Sequence[PrivateKey], threshold: int
    ) -> Exchange[Accepted]:
        """Registers a relay; every coordinator signs. `created["relay"]` is its id."""
        statement = self.say(
            RelayRegister,
            cosigners=coordinator_seeds,
            name=name,
            coordinators=tuple(map(did_of_seed, coordinator_seeds)),
            threshold=threshold,
        )
        return (yield from self.exchanges.send(statement))

    @conversation
    def commit_canaries(self, secrets: Canaries) -> Exchange[Accepted]:
        """Promises canaries; write the secrets to a file first, or they cannot be opened."""
        return (yield from self.tell(CanaryCommit, **secrets.commitment()))

    @conversation
    def open_canary(
        self, secrets: Canaries, number: int, planted_by: Sequence[PrivateKey] = ()
    ) -> Exchange[Accepted]:
        """Opens one canary: after the reveals of its claim, before the window is over.

        `planted_by` are the keys of the task's requester and worker, who must sign where it becomes the verdict.
        """
        statement = self.say(CanaryOpen, cosigners=planted_by, **secrets.opening(number))
        return (yield from self.exchanges.send(statement))

    @conversation
    def adopt_key(
        self, use: Literal["log", "draw"], new: PrivateKey, before: PrivateKey | None = None
    ) -> Exchange[Accepted]:
        """Gives the service another key, by its seed. For the log's key the one `before` signs too, as does the new."""
        cosigners = [] if before is None else [before, new]
        statement = self.say(KeyAdopt, cosigners=cosigners, use=use, key=did_of_seed(new))
        return (yield from self.exchanges.send(statement))
