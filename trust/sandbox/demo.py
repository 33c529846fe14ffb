"""`trust demo`: a whole network on this machine, from nothing to the audit by a stranger.

1. Keys, and `trust init` under the sandbox's policy.
2. Processes: the service, the agents, the relay; where asked for three witnesses, one of which dies.
3. The story, as the agents play it.
4. A stranger audits the log over HTTP, with its address and its key and nothing else.
5. Every claim that the demo makes is looked at again; the exit code is 0 only when all of them held.
"""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trust import clock
from trust.sandbox import cast
from trust.sandbox import facts as facts_of
from trust.sandbox.demo_witnesses import Witnessing
from trust.sandbox.narration import Narrator
from trust.sandbox.processes import CLI, Processes, ProcessFailed, free_ports
from trust.sandbox.setup import write_keys

HOST = "127.0.0.1"
NETWORK = "demo.localhost/main"
DEFAULT_NAME = "trust-demo"

Facts = dict[str, Any]


class NotEmpty(ValueError):
    """The directory that was asked for holds something already."""


@dataclass(frozen=True, slots=True)
class Options:
    """Where the demo leaves its data, in which database, and at which step (if any) the service is killed with -9.

    `witnesses`: draws wait until two of three witnesses, one of them dead, have cosigned the log. `stay`: the service
    goes on until the demo is interrupted, so that it can be looked at. `verbose`: the end is told with tables.
    """

    data: Path
    database: str = ""
    kill_service_at: str = ""
    witnesses: bool = False
    stay: bool = False
    verbose: bool = False


def directory(asked: Path | None, name: str = DEFAULT_NAME) -> Path:
    """The directory for a run: the one asked for, else the first of `name`, `name`-2, ... that is free."""
    if asked is not None:
        if asked.exists() and any(asked.iterdir()):
            raise NotEmpty(f"{asked} is not empty: name a new directory")
        return asked
    path, number = Path(name), 1
    while path.exists():
        number += 1
        path = Path(f"{name}-{number}")
    return path


def run(options: Options, *, as_json: bool = False) -> int:
    """Plays the demo; prints what happened, or the facts as JSON. 0 where everything held, else 1."""
    narrator = Narrator(as_json, verbose=options.verbose)
    try:
        facts = asyncio.run(_Demo(options, narrator, as_json).play())
    except ProcessFailed as error:
        narrator.failed(str(error), options.data)
        return 1
    except asyncio.CancelledError:
        narrator.failed("it was told to stop", options.data)
        return 1
    return 0 if all(facts["held"].values()) else 1


class _Demo:
    def __init__(self, options: Options, narrator: Narrator, as_json: bool) -> None:
        self._as_json = as_json
        self._data = options.data.resolve()
        self._options = options
        self._narrator = narrator
        self._logs = self._data / "logs"
        self._keys = self._data / "keys"
        self._processes = Processes(self._data, self._logs)
        self._witnessing = Witnessing(self._data, self._processes) if options.witnesses else None
        self._killed = False
        self._began_ms = clock.monotonic_ms()

    async def play(self) -> Facts:
        """The whole demo; whatever happens, nothing of it is left running."""
        playing = asyncio.current_task()
        assert playing is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
        self._data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._logs.mkdir()
        write_keys(self._keys)
        try:
            if self._witnessing is not None:
                await self._witnessing.init()
            vkey = await self._init()
            if self._witnessing is not None:
                await self._witnessing.serve(vkey)
            service_port, relay_port = free_ports(2)
            url = f"http://{HOST}:{service_port}"
            self._url, self._vkey, self._relay_port = url, vkey, relay_port
            self._narrator.begin(self._data, url, vkey)
            await self._processes.serve(*self._where(), "--host", HOST, "--port", str(service_port))
            facts = await self._host(url, vkey, relay_port)
            facts["audit"] = await self._audit(url, vkey)
            facts["relay"] = await self._check_relay(url, vkey)
            facts = self._complete(facts, url, vkey)
            if self._options.stay:
                await self._stay(url, facts)
        finally:
            await self._processes.stop()
        if not self._options.stay:
            self._conclude(facts)
        return facts

    def _conclude(self, facts: Facts) -> None:
        text = json.dumps(facts, indent=2)
        (self._data / "facts.json").write_text(text + "\n", encoding="utf-8")
        if self._as_json:
            print(text, flush=True)
        else:
            self._narrator.conclude(facts)

    async def _stay(self, url: str, facts: Facts) -> None:
        """Tells what came of it and where to look, and waits until somebody ends the demo."""
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        self._conclude(facts)
        self._narrator.stay(url, facts)
        await ended.wait()

    def _where(self) -> tuple[str, ...]:
        database = ("--database", self._options.database) if self._options.database else ()
        return ("--data", str(self._data), *database)

    def _witnesses(self) -> tuple[str, ...]:
        return ("--witnesses", str(self._witnessing.policy)) if self._witnessing is not None else ()

    async def _init(self) -> str:
        """Makes the network; returns the log's verifier key."""
        chosen = ("--network", NETWORK, "--policy", "sandbox", *self._witnesses(), *self._where())
        code, output = await self._processes.finish("init", *CLI, "init", *chosen, "--json")
        if code:
            raise ProcessFailed(f"trust init ended with {code}: {self._processes.last_words('init')}")
        return str(json.loads(output)["vkey"])

    async def _host(self, url: str, vkey: str, relay_port: int) -> Facts:
        """Starts the agents, tells what they say, and returns what came of it."""
        config = self._data / "agents.json"
        config.write_text(json.dumps(self._host_config(url, vkey, relay_port), indent=2), encoding="utf-8")
        host = await self._processes.start("agents", "-m", "trust.sandbox.host", str(config))
        assert host.stdout is not None
        async for line in host.stdout:
            message = json.loads(line)
            if "facts" in message:
                facts: Facts = message["facts"]
                return facts
            await self._hear(message)
        raise ProcessFailed(
            f"the agents ended with {await host.wait()}: {self._processes.last_words('agents')}"
        )

    async def _hear(self, message: Facts) -> None:
        if "relay" in message:
            await self._serve_relay(message["relay"])
            return
        self._narrator.step(clock.monotonic_ms() - self._began_ms, message["step"], message["say"])
        if message["step"] == self._options.kill_service_at and not self._killed:
            self._killed = True
            self._narrator.step(
                clock.monotonic_ms() - self._began_ms, "kill", "kill -9: the service is gone; it starts again"
            )
            self._processes.kill_service()

    async def _serve_relay(self, relay: str) -> None:
        """Runs the relay's one coordinator; each task is offered to everybody at once."""
        key, feed = self._keys / f"{cast.COORDINATOR}.key", self._data / "feed"
        where = ("--url", self._url, "--vkey", self._vkey, "--host", HOST, "--port", str(self._relay_port))
        chosen = ("--coordinator", str(key), "--feed", str(feed), "--places", str(len(cast.EVERYONE)))
        await self._processes.start("relay", *CLI, "relay", "serve", relay, *where, *chosen)

    def _host_config(self, url: str, vkey: str, relay_port: int) -> Facts:
        return {
            "service": url,
            "vkey": vkey,
            "keys": str(self._keys),
            "operator": str(self._data / "operator.key"),
            "votes": str(self._data / "votes"),
            "relay_host": HOST,
            "relay_port": relay_port,
        }

    async def _audit(self, url: str, vkey: str) -> Facts:
        """The stranger: another process, that is given an address and a key."""
        began_ms = clock.monotonic_ms()
        chosen = (url, "--key", vkey, *self._witnesses(), "--json")
        code, output = await self._processes.finish("audit", *CLI, "audit", *chosen)
        try:
            report = json.loads(output)
        except ValueError:
            report = {}
        findings = report.get("findings") or []
        entries = report.get("size", 0)
        self._narrator.step(
            clock.monotonic_ms() - self._began_ms,
            "audit",
            f"a stranger checks {report.get('signatures', 0)} signatures, and decides {entries} entries again: "
            f"{len(findings)} differences",
        )
        if self._witnessing is not None:
            cosigned = (
                f"its checkpoint is cosigned by {report.get('witnesses', 'nobody')}; one of them is dead"
            )
            self._narrator.step(clock.monotonic_ms() - self._began_ms, "audit", cosigned)
        return {
            "exit": code,
            "entries": entries,
            "signatures": report.get("signatures", 0),
            "differences": len(findings),
            "findings": findings,
            **({"witnesses": report.get("witnesses", "")} if self._witnessing is not None else {}),
            "elapsed_ms": clock.monotonic_ms() - began_ms,
        }

    async def _check_relay(self, url: str, vkey: str) -> Facts:
        """The stranger holds what the relay says that it decided against the log."""
        feed = f"http://{HOST}:{self._relay_port}/feed"
        code, output = await self._processes.finish(
            "check", *CLI, "relay", "check", feed, url, "--key", vkey, "--json"
        )
        report = json.loads(output) if output else {}
        decisions, findings = report.get("decisions", 0), report.get("findings") or []
        sentence = (
            f"and held {decisions} decisions of the relay against it: {len(findings)} are not borne out"
        )
        self._narrator.step(clock.monotonic_ms() - self._began_ms, "audit", sentence)
        return {"exit": code, "decisions": decisions, "findings": findings}

    def _complete(self, facts: Facts, url: str, vkey: str) -> Facts:
        whole = {"url": url, "vkey": vkey, "data": str(self._data), **facts}
        whole["service_restarts"] = self._processes.restarts
        whole["final"] = facts_of.final_states(whole)
        whole["held"] = facts_of.held(whole)
        whole["elapsed_ms"] = clock.monotonic_ms() - self._began_ms
        return whole
