"""An envelope passed round: coordinators add their signatures until there are as many as the relay's threshold.

Nobody is trusted on the way. What comes back must be the same payload with one more signature that holds, by the
coordinator that was asked; whoever is dead, refuses or answers anything else is passed over, so one of three can
neither block two nor slip something else under their names (docs/rules.md 8). The request is docs/relay.md's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from trust.client import wire
from trust.client.exchanges import Accepted
from trust.client.problems import Unreachable
from trust.client.statements import opened
from trust.client.wire import Exchange, Request
from trust.core import envelope, strict
from trust.core.envelope import BadSignature, Envelope, Signed
from trust.core.receipt import Receipt
from trust.errors import ClientError, TrustError

PATIENCE_S = 3.0
"""How long a coordinator may take for its answer before the next one is asked."""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The body of `POST /cosign`: what to sign and, where that is a `relay.confirm`, the receipt that proves it."""

    statement: Envelope
    receipt: Receipt | None = None


class _Cosigned(msgspec.Struct, frozen=True):
    statement: Envelope


@dataclass(frozen=True, slots=True)
class Brought:
    """A claim's proven entry, and the `relay.confirm` that one coordinator signed for it."""

    accepted: Accepted
    confirmation: bytes


class Cosigners:
    """Other coordinators: the address of each by the DID of its key. Who failed is asked last from then on."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = {did: address.rstrip("/") for did, address in addresses.items()}

    def gather(
        self, signed: bytes, own: frozenset[str], threshold: int, receipt: Receipt | None = None
    ) -> Exchange[bytes]:
        """The envelope with the signatures of `threshold` coordinators; `own` are the keys that sign here.

        `ClientError` threshold-not-met where too few sign; `reasons` say what came of each, `extra["refusals"]` what
        those who refused answered.
        """
        refusals: dict[str, TrustError] = {}
        while True:
            signers = set(opened(signed).signed.signers)
            count = len((own | self._addresses.keys()) & signers)
            if count >= threshold:
                return signed
            left = [did for did in self._addresses if did not in signers and did not in refusals]
            if not left:
                raise ClientError(
                    "threshold-not-met",
                    f"{count} of {threshold} coordinators signed",
                    status=503,
                    reasons=tuple(f"{did}: {error}" for did, error in refusals.items()),
                    extra={"refusals": {did: _problem_facts(error) for did, error in refusals.items()}},
                )
            signed = yield from self._one_more(signed, left, receipt, refusals)

    def brought(self, statement: str) -> Brought | None:
        """The entry of a claim that the last signer brought to the service itself; None where nobody did. Handed out
        once."""
        del statement
        return None

    def _one_more(
        self, signed: bytes, left: Sequence[str], receipt: Receipt | None, refusals: dict[str, TrustError]
    ) -> Exchange[bytes]:
        """The envelope with the signature of the first of these, or as it was and why in `refusals`."""
        sent = opened(signed).signed
        body = msgspec.json.encode(Asked(sent.envelope, receipt))
        address = self._addresses[left[0]]
        asked = Request("POST", "/cosign", body, wire.JSON_TYPE, at=address, timeout_s=PATIENCE_S)
        try:
            answer = wire.facts((yield from wire.ask(asked)))
            return added(sent, left[0], answer)
        except (TrustError, ValueError) as error:
            self._note(left[0], error, refusals)
            return signed

    def _note(self, did: str, error: Exception, refusals: dict[str, TrustError]) -> None:
        refusals[did] = error if isinstance(error, TrustError) else ClientError("malformed", str(error))
        if not _is_answer(error):
            self._addresses[did] = self._addresses.pop(did)


def _is_answer(error: Exception) -> bool:
    """Returns whether a working coordinator refused."""
    return (
        isinstance(error, TrustError)
        and not isinstance(error, Unreachable)
        and error.status in range(400, 500)
    )


def _problem_facts(error: TrustError) -> wire.Facts:
    return {"code": error.code, "detail": error.detail, **error.extra}


def added(sent: Signed, did: str, answer: wire.Facts) -> bytes:
    """The envelope that came back, where it is what was sent and the signature of `did`; raises where it is not."""
    after = wire.shaped(answer, _Cosigned).statement
    got = envelope.from_envelope(after)
    if got.payload != sent.payload:
        raise strict.Malformed("another statement came back")
    if set(got.signers) != {*sent.signers, did}:
        raise strict.Malformed("it does not have this signature, or has others too")
    try:
        envelope.verify(got)
    except BadSignature as error:
        raise strict.Malformed(str(error)) from error
    return envelope.encode(got.envelope)
