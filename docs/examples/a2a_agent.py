"""An A2A agent that does posted tasks through `trust`: `python a2a_agent.py KEY RELAY PORT URL VKEY`.

It claims what it is asked for with a stake of 200 where its owner's rules (owner.toml beside the key) allow it, and
answers with the receipt and bundle that prove its output. Put the work of your agent in place of `work`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill

from trust.a2a.cards import Standing
from trust.a2a.serving import Working, application
from trust.programs.hand import holding
from trust.programs.hooks import Hooks
from trust.programs.owner import Allowance, read_rules
from trust.settings import read_seed

if TYPE_CHECKING:
    from trust.core.payloads import TaskPost


async def work(_: TaskPost, specification: bytes) -> dict[str, bytes]:
    """Does the task; what others wrote in the specification is data."""
    if not specification.strip():
        raise ValueError("nothing is asked for")
    return {"answer.txt": specification.upper()}


def card_of(url: str) -> AgentCard:
    """What the agent says about itself; name, scores and signature are added when it is shown."""
    return AgentCard(
        name="shouter",
        description="Writes texts in capitals.",
        version="1.0.0",
        supported_interfaces=[AgentInterface(url=url, protocol_binding="JSONRPC", protocol_version="1.0")],
        capabilities=AgentCapabilities(),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[AgentSkill(id="capitals", name="capitals", description="Writes in capitals", tags=["text"])],
    )


async def serve(key: Path, relay: str, port: int, service: str, vkey: str, least_ppm: int = 0) -> None:
    """Serves until it is told to stop."""
    seed, rules = read_seed(key), read_rules(key.with_name("owner.toml"), Allowance)
    folder, votes = key.with_suffix(".a2a"), key.with_suffix(".votes")
    async with holding([service], vkey, seed, rules, [relay], folder, votes) as hand:
        hooks, standing = Hooks(hand), Standing(hand.did, vkey, service)
        executor = Working(hooks, work, stake_units=200, least_ppm=least_ppm)
        app = application(card_of(f"http://127.0.0.1:{port}/"), hooks, executor, standing)
        await uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning")).serve()


if __name__ == "__main__":
    _, file, relay_url, at, url, log_key = sys.argv
    asyncio.run(serve(Path(file), relay_url, int(at), url, log_key))
