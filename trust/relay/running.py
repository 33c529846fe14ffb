"""A coordinator as a process: serves until it is told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable

import structlog

from trust import interpreter_tuning
from trust.client import AsyncTrustClient, Retry
from trust.log.note import Verifier
from trust.relay.server import Config, RelayServer

PATIENT = Retry(first_ms=20, longest_ms=400, total_ms=60_000)
"""A service that is started again is back within seconds: ask often, give up late."""


make: Callable[[AsyncTrustClient, Config], RelayServer] = RelayServer
"""What a coordinator is made of."""


async def run(vkey: str | Verifier, config: Config) -> None:
    """Serves until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncTrustClient(config.services, vkey, retry=PATIENT) as client:
        relay = make(client, config)
        interpreter_tuning.tune()
        serving = asyncio.create_task(_serve(relay, stop))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([serving, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not serving.done() and not relay.mirror.ready.is_set():
            serving.cancel()
        await asyncio.gather(serving, return_exceptions=relay.mirror.ready.is_set() is False)


async def _serve(relay: RelayServer, stop: asyncio.Event) -> None:
    async with relay.serving():
        await stop.wait()


def configure_logging() -> None:
    """Log lines on stderr, JSON where that is no terminal; of hostile connections only what the relay itself says."""
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    people = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            *([] if people else [structlog.processors.format_exc_info]),
            structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
