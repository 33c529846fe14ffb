"""`trust work`: claims tasks for its owner, and has the owner's command do them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust.cli.connection import SERVICE, Me, Service
from trust.cli.values import Count

app = App(name="work")
Kinds = Annotated[tuple[str, ...], Parameter(name="--kind", negative_iterable=())]
Relays = Annotated[tuple[str, ...], Parameter(name="--relay", negative_iterable=())]
Command = Annotated[str, Parameter(name="--exec")]


@app.default
def work(
    *,
    me: Me,
    relay: Relays,
    command: Command,
    kind: Kinds = (),
    rules: Path | None = None,
    state: Path | None = None,
    seconds: Count = 600,
    memory_mib: Count = 2_048,
    dry_run: bool = False,
    service: Service = SERVICE,
) -> None:
    """Claim tasks, have a command do them, deliver, and open what is drawn, until SIGTERM or SIGINT.

    Whatever it does is a line of JSON on stdout. Killed at any moment, the next start goes on.

    Parameters
    ----------
    relay
        The address of a coordinator (ws://...); several of one relay are tried in turn.
    command
        What does the work of one task (docs/protocol.md 9.3).
    kind
        A kind of work to go for; may be given several times, and stands beside those of --rules.
    rules
        A TOML file with what the owner allows: kinds, prices, stakes, requesters, hours, how many at once.
    state
        The directory for what was made and is not settled yet; default: beside the key.
    seconds
        How long the command may take for one task.
    memory_mib
        How much memory it may use, in MiB.
    dry_run
        Only say which tasks would be claimed.
    """
    import asyncio

    from msgspec.structs import replace

    from trust.cli.failures import Usage
    from trust.client.statements import did_of_seed
    from trust.programs.command import Limits
    from trust.programs.making import by_command
    from trust.programs.owner import read_rules
    from trust.programs.running import run
    from trust.programs.working import WorkProgram

    allowed = read_rules(rules)
    allowed = replace(allowed, kinds=tuple(dict.fromkeys([*allowed.kinds, *kind])))
    if not allowed.kinds or not relay:
        raise Usage("name at least one --kind (or kinds in --rules), and one --relay")
    seed, split = me.seed(), shlex.split(command)
    limits = Limits(seconds=seconds, memory_bytes=memory_mib << 20)
    folder = state or me.beside(".work")
    asyncio.run(
        run(
            service.addresses(),
            service.key(),
            me.actor or did_of_seed(seed),
            lambda client, tell: WorkProgram(
                client, seed, by_command(split, limits), relay, folder, tell,
                rules=allowed, dry_run=dry_run, actor=me.actor,
            ).run(),
        )
    )  # fmt: skip
