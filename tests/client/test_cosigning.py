"""An envelope passed round three coordinators, of whom two must sign: one may be dead, and one may lie.

Specified in docs/rules.md 8.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from tests.client.services import Script, answer, problem
from tests.factories import NETWORK, NOW_MS, seed, statement
from trust.client.cosigning import Asked, Cosigners
from trust.client.problems import Unreachable
from trust.client.statements import Speaker, cosign, did_of_seed, opened
from trust.client.wire import Request, Response
from trust.core import envelope
from trust.core.payloads import RelayConfirm
from trust.errors import ClientError

SEEDS = [seed(number) for number in (71, 72, 73)]
DIDS = [did_of_seed(each) for each in SEEDS]
REQUEST = statement("claim.request")
Ask = Callable[[bytes], bytes]


def dead(_: bytes) -> bytes:
    """Nobody answers."""
    raise Unreachable("connection refused")


def honest(number: int) -> Ask:
    return lambda signed: cosign(signed, SEEDS[number])


def collect(signed: bytes, answers: dict[str, Ask], threshold: int) -> bytes:
    """What comes of asking coordinators that answer so."""
    addresses = {did: f"http://{did[-6:]}" for did in answers}
    by_address = {addresses[did]: ask for did, ask in answers.items()}

    def handle(request: Request) -> Response | Exception:
        assert (request.method, request.path) == ("POST", "/cosign")
        sent = envelope.encode(msgspec.json.decode(request.body, type=Asked).statement)
        try:
            return answer(200, {"statement": msgspec.json.decode(by_address[request.at](sent))})
        except Unreachable as error:
            return error

    return Script(handle).run(Cosigners(addresses).gather(signed, frozenset(), threshold))


def asked(*answers: Ask) -> dict[str, Ask]:
    return dict(zip(DIDS, answers, strict=True))


def signers(signed: bytes) -> set[str]:
    return set(opened(signed).signed.signers) & set(DIDS)


def test_two_of_three_are_enough_and_the_dead_one_blocks_nothing() -> None:
    signed = collect(REQUEST, asked(dead, honest(1), honest(2)), 2)
    assert signers(signed) == {DIDS[1], DIDS[2]}
    assert opened(signed).signed.payload == opened(REQUEST).signed.payload
    envelope.verify(opened(signed).signed)


def test_nobody_is_asked_when_there_are_signatures_enough() -> None:
    signed = collect(REQUEST, asked(honest(0), honest(1), dead), 2)
    assert signers(signed) == {DIDS[0], DIDS[1]}
    assert collect(signed, asked(dead, dead, dead), 2) == signed


def test_too_few_is_an_error_that_says_what_came_of_each() -> None:
    with pytest.raises(ClientError) as caught:
        collect(REQUEST, asked(dead, honest(1), dead), 2)
    assert caught.value.code == "threshold-not-met"
    assert [reason.partition(": ")[0] for reason in caught.value.reasons] == [DIDS[0], DIDS[2]]


def another(_: bytes) -> bytes:
    """Signs something else."""
    return cosign(statement("claim.abandon"), SEEDS[0])


def forged(signed: bytes) -> bytes:
    """Puts a signature under it that does not hold."""
    good = opened(cosign(signed, SEEDS[0])).signed.envelope
    stolen = next(each.sig for each in good.signatures if each.keyid != DIDS[0])
    swapped = [
        msgspec.structs.replace(each, sig=stolen) if each.keyid == DIDS[0] else each
        for each in good.signatures
    ]
    return envelope.encode(msgspec.structs.replace(good, signatures=tuple(swapped)))


@pytest.mark.parametrize(
    "lie",
    [another, forged, lambda signed: signed, lambda signed: b"{}", lambda signed: cosign(signed, SEEDS[2])],
)
def test_one_dishonest_coordinator_can_neither_block_nor_slip_something_in(lie: Ask) -> None:
    signed = collect(REQUEST, asked(lie, honest(1), honest(2)), 2)
    assert opened(signed).signed.payload == opened(REQUEST).signed.payload
    assert signers(signed) == {DIDS[1], DIDS[2]}


def test_a_confirmation_is_passed_round_the_same_way() -> None:
    said = Speaker(NETWORK, SEEDS[1]).say(
        RelayConfirm, NOW_MS, task="t1", claim="clm_" + "a" * 26, worker=DIDS[0], index=7
    )
    signed = collect(said, asked(dead, dead, honest(2)), 2)
    assert signers(signed) == {DIDS[1], DIDS[2]}


def test_who_is_dead_is_asked_last_from_then_on_and_who_refuses_is_not() -> None:
    asked_: list[str] = []

    def handle(request: Request) -> Response | Exception:
        asked_.append(request.at)
        sent = envelope.encode(msgspec.json.decode(request.body, type=Asked).statement)
        if request.at == "http://a":
            return Unreachable("connection refused")
        if request.at == "http://b":
            return problem(409, "promised")
        return answer(200, {"statement": msgspec.json.decode(cosign(sent, SEEDS[2]))})

    cosigners = Cosigners(dict(zip(DIDS, ("http://a", "http://b", "http://c"), strict=True)))
    for _ in range(2):
        Script(handle).run(cosigners.gather(REQUEST, frozenset(), 1))
    assert asked_ == ["http://a", "http://b", "http://c", "http://b", "http://c"]
