"""A tool whose answer was lost is called again, and nothing is posted, booked or locked twice."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the extra mcp is not installed")

import msgspec

from tests.cli.served import serving
from tests.cli.test_lost_answers import Lossy
from tests.client.services import answer
from tests.factories import derived_id, log_signer, seed
from tests.relay.networks import run
from trust.client import AsyncTrustClient, Retry
from trust.client.wire import Request, Response
from trust.core.policy import parse
from trust.errors import ClientError
from trust.mcp.acting import Acting, Post
from trust.mcp.reading import Reading
from trust.programs.hand import Hand
from trust.programs.owner import Allowance
from trust.settings import shipped


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks twice by itself."""
    monkeypatch.setattr(Retry, "wait_ms", lambda *_: None)


VKEY = str(log_signer().verifier)
TERMS = parse((shipped("policies") / "standard.toml").read_text(encoding="utf-8"))
KIND = "code-review"
LIMITS = Allowance(
    kinds=(KIND,), most_stake_units=5_000, most_price_units=100, most_per_day_units=20_000, may_withdraw=True
)
CLAIM = derived_id("clm_")
Facts = dict[str, Any]


class Service(Lossy):
    """A lossy service whose policy is a whole one, and which knows a claim."""

    def handle(self, request: Request) -> Response | Exception:
        """An answer, or a broken line."""
        if request.path == "/v1/policy":
            return answer(200, {"terms": msgspec.to_builtins(TERMS)})
        if request.path.startswith("/v1/claims/"):
            return answer(200, {"task_kind": KIND, "rounds": [], "task": {"price_units": 100}})
        return super().handle(request)


def acting(
    work: Callable[[Acting, Service, Hand], Coroutine[Any, Any, None]], folder: Path, **limits: Any
) -> None:
    """Runs something with the tools of an agent at a service that loses its answers."""
    service = Service()

    async def held() -> None:
        with serving(service.handle) as url:
            async with AsyncTrustClient([url], VKEY) as client:
                allowance = msgspec.structs.replace(LIMITS, **limits)
                hand = Hand(client, seed(0), allowance, [], folder, folder / "votes")
                await work(Acting(hand, Reading(hand, [url], VKEY)), service, hand)

    run(held)


def post(task: str, price_units: int = 50) -> Post:
    return Post(task=task, task_kind=KIND, specification="Review this.", price_units=price_units)


CALLS: dict[str, Callable[[Acting], Coroutine[Any, Any, Facts]]] = {
    "post_task": lambda tools: tools.post_task("t", KIND, "Review this.", 50, 600),
    "post_tasks": lambda tools: tools.post_tasks([post("a"), post("b")], 600),
    "enroll": lambda tools: tools.enroll([KIND], 1_000),
    "withdraw": lambda tools: tools.withdraw(500),
    "challenge": lambda tools: tools.challenge(CLAIM, "It is wrong."),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_same_call_again_is_the_same_statement(name: str, tmp_path: Path) -> None:
    async def calls(tools: Acting, service: Service, hand: Hand) -> None:
        for _ in range(2):
            with pytest.raises(ClientError, match="unreachable"):
                await CALLS[name](tools)
        count = 2 if name == "post_tasks" else 1
        assert len(service.log.entries) == count
        service.loses = False
        done = await CALLS[name](tools)
        assert all(each["repeated"] for each in done.get("results", [done]))
        assert len(service.log.entries) == count
        if "spent_units" in done:
            assert LIMITS.most_per_day_units - hand.spending.left_units() == done["spent_units"]

    acting(calls, tmp_path)
    assert not list(tmp_path.glob("unanswered/*"))


@pytest.mark.parametrize(
    ("call", "limits"),
    [
        (CALLS["enroll"], {"most_stake_units": 999}),
        (CALLS["enroll"], {"kinds": ("poetry",)}),
        (CALLS["withdraw"], {"may_withdraw": False}),
        (CALLS["challenge"], {"most_stake_units": 1}),
        (CALLS["challenge"], {"most_per_day_units": 1}),
        (lambda tools: tools.register("me", ["poetry"]), {}),
        (lambda tools: tools.post_tasks([post("a"), post("b", 101)], 600), {}),
        (lambda tools: tools.post_tasks([post("a"), post("b")], 600), {"most_per_day_units": 100}),
        (lambda tools: tools.post_tasks([post("a"), post("a")], 600), {}),
    ],
)  # fmt: skip
def test_what_the_owner_does_not_allow_is_neither_signed_nor_booked(
    call: Callable[[Acting], Coroutine[Any, Any, Facts]], limits: Facts, tmp_path: Path
) -> None:
    async def calls(tools: Acting, service: Service, hand: Hand) -> None:
        left = hand.spending.left_units()
        with pytest.raises(ClientError, match=r"beyond-limits|malformed"):
            await call(tools)
        assert service.log.entries == []
        assert hand.spending.left_units() == left

    acting(calls, tmp_path, **limits)
