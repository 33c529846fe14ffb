"""The agents' process: `python -m trust.sandbox.host CONFIG` plays the story against a running service.

It speaks to whoever started it in JSON lines on stdout: `{"step", "say"}` as things happen, `{"relay": ID}` when the
relay is registered and can be started, and last `{"facts": {...}}`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from trust.client import AsyncTrustClient
from trust.client.statements import did_of_seed
from trust.core import scoring
from trust.relay.running import PATIENT
from trust.sandbox import cast
from trust.sandbox.agents import Surroundings
from trust.sandbox.board import Board
from trust.sandbox.crew import Place
from trust.sandbox.facts import gather
from trust.sandbox.setup import THRESHOLD, found, read_keys
from trust.sandbox.story import Story, read_library
from trust.settings import read_seed


class HostConfig(msgspec.Struct, frozen=True):
    """The configuration of the agents' process, a JSON file. `keys` is a directory, `operator` a seed file."""

    service: str
    vkey: str
    keys: str
    operator: str
    votes: str
    relay_host: str
    relay_port: int


def say(**message: Any) -> None:
    """One line to whoever started this process."""
    print(json.dumps(message), flush=True)


async def run(config: HostConfig) -> None:
    """Founds the network, plays the story, says the facts."""
    seeds = read_keys(Path(config.keys))
    library = asyncio.create_task(asyncio.to_thread(read_library))  # while the service starts
    async with AsyncTrustClient(config.service, config.vkey, retry=PATIENT) as client:
        board = Board(config.service)
        relay = await found(client, read_seed(Path(config.operator)), seeds)
        following = asyncio.create_task(board.follow())
        say(relay=relay)
        say(
            step="found",
            say=f"{len(cast.EVERYONE)} agents and a relay register, with money and proof of work",
        )
        for pool in (scoring.worker_pool, scoring.probation_pool):
            await board.until("pool.sealed", pool=pool(cast.TASK_KIND), count=len(cast.EVERYONE))
        verifiers = scoring.verifier_pool(cast.TASK_KIND)
        sealed = await board.until("pool.sealed", pool=verifiers, count=len(cast.VERIFIERS))
        say(step="found", say=f"the pool of {sealed['count']} verifiers is sealed: panels are drawn from it")
        around = Surroundings(
            client=client,
            board=board,
            place=Place(
                config.service,
                config.vkey,
                relay,
                (f"ws://{config.relay_host}:{config.relay_port}",),
                (did_of_seed(seeds[cast.COORDINATOR]),),
                THRESHOLD,
            ),
            tell=lambda step, text: say(step=step, say=text),
        )
        story = Story.of(around, seeds, Path(config.votes), await library)
        await story.play()
        say(facts=await gather(story))
        following.cancel()


if __name__ == "__main__":
    asyncio.run(run(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=HostConfig)))
