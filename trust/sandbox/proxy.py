"""A TCP proxy that can cut, hang, delay, slow down and garble what passes, as networks do."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass

CHUNK_BYTES = 64 * 1024
DRIP_BYTES = 512


@dataclass(slots=True)
class Weather:
    """The faults of a connection. `delay_s` before each piece, `drip_s` before each 512 bytes; `doubled` pieces in a
    million are sent twice, which breaks whatever runs on top."""

    is_cut: bool = False
    is_hanging: bool = False
    delay_s: float = 0
    drip_s: float = 0
    doubled: int = 0


class Proxy:
    """Passes connections on to `port` of this machine. Start it with `listen`."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self._to = port
        self._chance = chance
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._calm = asyncio.Event()
        self._calm.set()
        self.weather = Weather()
        self.port = 0

    async def listen(self) -> None:
        """Starts; `port` is where it listens."""
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def change(self, weather: Weather) -> None:
        """Other weather from now on; a cut ends the connections that stand."""
        self.weather = weather
        if weather.is_hanging:
            self._calm.clear()
        else:
            self._calm.set()
        if weather.is_cut:
            for writer in list(self._writers):
                writer.transport.abort()

    def cut_one(self) -> None:
        """Ends one connection, any."""
        if self._writers:
            self._chance.choice(list(self._writers)).transport.abort()

    def close(self) -> None:
        """Stops."""
        self.change(Weather(is_cut=True))
        if self._server is not None:
            self._server.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.weather.is_cut:
            writer.transport.abort()
            return
        try:
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, there_writer}
        self._writers |= both
        try:
            await asyncio.gather(self._pump(reader, there_writer), self._pump(there_reader, writer))
        finally:
            self._writers -= both
            for each in both:
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._calm.wait()
                await self._send(data, writer)
            if writer.can_write_eof():
                writer.write_eof()

    async def _send(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        weather = self.weather
        if weather.delay_s:
            await asyncio.sleep(weather.delay_s * self._chance.uniform(0.5, 1.5))
        if weather.doubled and self._chance.randrange(1_000_000) < weather.doubled:
            writer.write(data)
        step = DRIP_BYTES if weather.drip_s else CHUNK_BYTES
        for at in range(0, len(data), step):
            if weather.drip_s:
                await asyncio.sleep(weather.drip_s)
            writer.write(data[at : at + step])
            await writer.drain()
