"""`trust verify`: votes on the seats that its owner is drawn for, as the owner's command judges."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust.cli.connection import SERVICE, Me, Service
from trust.cli.values import Count

app = App(name="verify")
Kinds = Annotated[tuple[str, ...], Parameter(name="--kind", negative_iterable=())]
Command = Annotated[str, Parameter(name="--exec")]


@app.default
def verify(
    *,
    me: Me,
    command: Command,
    kind: Kinds = (),
    votes: Path | None = None,
    at_once: Count = 1,
    seconds: Count = 600,
    memory_mib: Count = 2_048,
    service: Service = SERVICE,
) -> None:
    """Judge what the owner is drawn for by a command, commit and reveal, until SIGTERM or SIGINT.

    The agent has enrolled before (trust check enroll). Killed at any moment, the next start goes on, and no seat votes
    twice.

    Parameters
    ----------
    command
        What judges one output (docs/protocol.md 9.2).
    kind
        Only seats of this kind of work; may be given several times.
    votes
        The file of votes; default: beside the key.
    at_once
        How many cases may be judged at the same time.
    seconds
        How long the command may take for one case.
    memory_mib
        How much memory it may use, in MiB.
    """
    import asyncio

    from trust.client.statements import did_of_seed
    from trust.programs.command import Limits
    from trust.programs.running import run
    from trust.programs.verifying import VerifyProgram, by_command

    seed, split = me.seed(), shlex.split(command)
    limits = Limits(seconds=seconds, memory_bytes=memory_mib << 20)
    memory = votes or me.beside(".votes")
    asyncio.run(
        run(
            service.addresses(),
            service.key(),
            me.actor or did_of_seed(seed),
            lambda client, tell: VerifyProgram(
                client, seed, by_command(split, limits), memory, tell,
                kinds=kind, at_once=at_once, actor=me.actor,
            ).run(),
        )
    )  # fmt: skip
