"""Signatures are verified in order, here and in the process beside this one, and whatever becomes of that process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from tests.services.statements import Town
from trust.core.commands import Spoken
from trust.services.signature_checks import MANY, Verifying
from trust.services.signature_process import SignatureProcess

TOWN = Town()
GOOD = TOWN.post("a-task")
BAD = replace(GOOD, signed=replace(GOOD.signed, signatures=(bytes(64),)))
QUESTION = (bytes(32), b"message", bytes(64))


@pytest.fixture
def verifying() -> Iterator[Verifying]:
    verifying = Verifying()
    yield verifying
    verifying.close()


@pytest.mark.parametrize("count", [1, MANY - 1, MANY, 40 * MANY])
@pytest.mark.parametrize("bad", [(), (0,), (-1,), (0, -1)])
def test_verdicts_come_in_the_order_of_the_commands(
    verifying: Verifying, count: int, bad: tuple[int, ...]
) -> None:
    commands: list[Spoken] = [GOOD] * count
    for at in bad:
        commands[at] = BAD
    verdicts = verifying.verify_many(commands).result()
    assert [verdict is None for verdict in verdicts] == [command is GOOD for command in commands]
    assert all(verdict is None or TOWN.requester.did in str(verdict) for verdict in verdicts)


def test_each_of_many_who_ask_at_once_gets_its_own_verdicts(verifying: Verifying) -> None:
    asked = [verifying.verify_many([GOOD] * (n % 3) + [BAD] * (n % 2)) for n in range(200)]
    for n, future in enumerate(asked):
        assert [verdict is None for verdict in future.result()] == [True] * (n % 3) + [False] * (n % 2)


def test_what_was_asked_before_the_end_is_answered() -> None:
    verifying = Verifying()
    asked = verifying.verify_many([GOOD] * 100)
    verifying.close()
    assert asked.result(timeout=0) == [None] * 100


def test_a_process_that_was_killed_is_replaced_and_nothing_is_taken_for_signed() -> None:
    beside = SignatureProcess()
    assert beside.ask([QUESTION] * 3) == bytes(3)
    first = beside._process
    assert first is not None
    first.kill()
    first.wait()
    assert beside.ask([QUESTION] * 3) == bytes(3)
    assert beside.ask([QUESTION]) == bytes(1)
    assert beside._process is not first
    beside.close()


def test_the_process_ends_with_its_owner() -> None:
    beside = SignatureProcess()
    beside.ask([QUESTION])
    process = beside._process
    assert process is not None
    beside.close()
    assert process.returncode == 0
