"""A network's witnesses: three processes with keys of their own, two of which must cosign, and one dies at once."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from trust.sandbox.processes import CLI, Processes, ProcessFailed, free_ports

LABELS = ("w1", "w2", "w3")
DEAD = "w3"
INTERVAL_MS = 100
HOST = "127.0.0.1"


class Witnessing:
    """Witnesses in `data/witnesses`; `policy` is the file that names them, for the network and for the auditor.

    `ports` are where they listen, `asked` where the service asks them: a proxy may stand in between.
    """

    def __init__(self, data: Path, processes: Processes) -> None:
        self._folder = data / "witnesses"
        self._settings = data / "trust.toml"
        self._processes = processes
        self.ports = dict(zip(LABELS, free_ports(len(LABELS)), strict=True))
        self.asked = dict(self.ports)
        self.policy = self._folder / "policy"

    async def init(self) -> None:
        """Makes their keys, the policy, and the setting that says where they are asked."""
        self._folder.mkdir(parents=True)
        vkeys = await asyncio.gather(*map(self._init, LABELS))
        lines = [f"witness {label} {vkey}" for label, vkey in zip(LABELS, vkeys, strict=True)]
        lines += [f"group two-of-three 2 {' '.join(LABELS)}", "quorum two-of-three"]
        self.policy.write_text("\n".join(lines) + "\n", encoding="utf-8")
        urls = [f"http://{HOST}:{port}" for port in self.asked.values()]
        self._settings.write_text(
            f"witnesses = {json.dumps(urls)}\nwitness_interval_ms = {INTERVAL_MS}\n", encoding="utf-8"
        )

    async def serve(self, vkey: str) -> None:
        """Has each witness the log from now on; then one of them dies."""
        await asyncio.gather(*(self._serve(label, vkey) for label in LABELS))

    async def _init(self, label: str) -> str:
        output = await self._finish(label, "init", "--name", f"{label}.demo.localhost")
        return str(json.loads(output)["vkey"])

    async def _serve(self, label: str, vkey: str) -> None:
        await self._finish(label, "add-log", vkey)
        arguments = ("serve", "--host", HOST, "--port", str(self.ports[label]))
        process = await self._processes.start(label, *self._command(label, *arguments))
        assert process.stdout is not None
        if not await process.stdout.readline():
            raise ProcessFailed(f"witness {label} does not serve: {self._processes.last_words(label)}")
        if label == DEAD:
            self._processes.kill(process)

    async def _finish(self, label: str, *arguments: str) -> str:
        code, output = await self._processes.finish(label, *self._command(label, *arguments))
        if code:
            raise ProcessFailed(f"witness {label} ended with {code}: {self._processes.last_words(label)}")
        return output

    def _command(self, label: str, command: str, *arguments: str) -> tuple[str, ...]:
        return (*CLI, "witness", command, *arguments, "--data", str(self._folder / label), "--json")
