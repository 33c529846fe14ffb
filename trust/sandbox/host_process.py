"""A host: one process with several agents of a pattern, `python -m trust.sandbox.host_process CONFIG`.

It prints a line once they are at the relay, and when it is told to stop one with what they have done.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from trust import clock
from trust.client import AsyncTrustClient
from trust.relay.running import PATIENT
from trust.sandbox.crew import Hand, Place, seed_of


class HostConfig(msgspec.Struct, frozen=True):
    """The configuration of a host. `skew_ms` is by how much its agents' clocks are wrong."""

    place: Place
    names: tuple[str, ...]
    seed: int
    pattern: str
    data: str
    ways: dict[str, tuple[str, ...]] = {}
    skew_ms: int = 0
    documents: int = 0


async def run(config: HostConfig) -> None:
    """Lets the agents work until SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        place = config.place
        client = await stack.enter_async_context(
            AsyncTrustClient(
                place.service, place.vkey, retry=PATIENT, now_ms=lambda: clock.now_ms() + config.skew_ms
            )
        )
        hands = [_made(config, name, client) for name in config.names]
        await asyncio.gather(*(hand.join() for hand in hands))
        print("here", flush=True)
        await stop.wait()
        done = {hand.name: hand.done for hand in hands}
        await asyncio.gather(*(hand.leave() for hand in hands), return_exceptions=True)
        print(json.dumps(done), flush=True)


def _made(config: HostConfig, name: str, client: AsyncTrustClient) -> Hand:
    from trust.sandbox.patterns import hand_of

    data = Path(config.data)
    kind = hand_of(config.pattern)
    ways = [way for way, names in config.ways.items() if name in names]
    hand = kind(name, seed_of(config.seed, name), client, config.place, data, ways)
    hand.documents = config.documents
    return hand


def main(file: Path) -> None:
    """Runs one as a process."""
    config = msgspec.json.decode(file.read_bytes(), type=HostConfig)
    Path(config.data).mkdir(parents=True, exist_ok=True)
    asyncio.run(run(config))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
