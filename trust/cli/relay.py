"""`trust relay`: groups of coordinators that hand out claims."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust.cli.connection import (
    OUTPUT,
    SERVICE,
    Coordinators,
    LogKey,
    Output,
    ReceiptFile,
    RelayId,
    Rotations,
    Service,
    read_key,
    read_keys,
    read_keys_of,
    read_statement,
)
from trust.cli.failures import FALSE, GOOD, Usage
from trust.cli.terminal import progress
from trust.cli.values import Count, Port

app = App(name="relay")
New = Annotated[tuple[Path, ...], Parameter(name="--new", negative_iterable=())]
Keep = Annotated[tuple[str, ...], Parameter(name="--keep", negative_iterable=())]
Cosigner = Annotated[tuple[str, ...], Parameter(name="--cosigner", negative_iterable=())]


@app.command
def serve(
    relay: RelayId,
    /,
    *,
    coordinator: Path,
    cosigner: Cosigner = (),
    host: str = "127.0.0.1",
    port: Port = 8500,
    feed: Path | None = None,
    places: Count = 8,
    service: Service = SERVICE,
) -> None:
    """Run one coordinator of a relay, until SIGTERM or SIGINT (its protocol: docs/relay.md).

    Parameters
    ----------
    coordinator
        The key file of this coordinator.
    cosigner
        Another coordinator of the group, as DID=URL; may be given several times.
    host
        The address to listen on.
    port
        The port to listen on.
    feed
        A directory for its signed feed of decisions; without one the feed ends with the process.
    places
        To how many agents a task is offered at first; to twice as many next, while nobody has claimed it.
    """
    import asyncio

    from trust.relay.running import configure_logging, run
    from trust.relay.server import Config

    seed = read_key(coordinator)
    configure_logging()
    config = Config(
        tuple(service.addresses()), relay, seed, dict(map(_address, cosigner)), feed, host, port, places
    )
    asyncio.run(run(service.key(), config))


@app.command
def check(
    feed: str,
    log: str,
    /,
    *,
    key: LogKey,
    rotation: Rotations = (),
    output: Output = OUTPUT,
) -> int:
    """Hold what a coordinator says that it decided against the log. Exit 1 where the log does not bear it out.

    Parameters
    ----------
    feed
        The address of the coordinator's feed (http://HOST:PORT/feed), or a directory with its files.
    log
        The address of a service, a directory of the log's files, or a data directory.
    rotation
        The receipt of an entry by which the log changed its key since.
    """
    import msgspec

    from trust.audit.feeds import check_feed
    from trust.audit.fetching import open_source

    decided, logged = open_source(feed), open_source(log)
    try:
        with progress("reading entries") as report:
            checked = check_feed(decided, logged, read_keys(key, rotation), report)
    finally:
        decided.close()
        logged.close()
    output.show(msgspec.to_builtins(checked))
    return GOOD if checked.ok else FALSE


def _address(text: str) -> tuple[str, str]:
    did, _, address = text.partition("=")
    if not did.startswith("did:key:") or not address.startswith(("http://", "https://")):
        raise Usage(f"--cosigner {text}: write DID=URL")
    return did, address


@app.command
def update(
    relay: RelayId,
    /,
    *,
    coordinator: Coordinators,
    new: New = (),
    keep: Keep = (),
    name: str = "relay",
    threshold: Count = 1,
    service: Service = SERVICE,
) -> None:
    """Change a relay's group; a suspension ends when those who signed a false confirmation are out of it.

    Parameters
    ----------
    coordinator
        The key file of a coordinator who signs the change; as many as the threshold that is in force.
    new
        The key file of a coordinator who joins; may be given several times.
    keep
        The DID of a coordinator who stays; may be given several times.
    name
        What people call it.
    threshold
        How many coordinators must sign from now on.
    """
    from trust.client import Relay
    from trust.client.statements import did_of_seed

    joining = read_keys_of(new)
    group = [*keep, *map(did_of_seed, joining)]
    if not coordinator or not group:
        raise Usage("give --coordinator for who signs, and --keep or --new for who is in it from now on")
    with service.client(coordinator[0]) as client:
        changed = Relay(client, relay, read_keys_of(coordinator)).update(name, group, threshold, joining)
        service.accepted(changed)


@app.command
def attest(
    relay: RelayId,
    file: Path,
    /,
    *,
    coordinator: Coordinators,
    receipt: ReceiptFile = None,
    service: Service = SERVICE,
) -> None:
    """Say for somebody whom the service does not hear that the relay was shown a statement now, in time.

    It counts for what a worker or a verifier owes on a claim, whichever relay it came through: an output, a renewal, a
    giving up, an opening, a commitment, a reveal.

    Parameters
    ----------
    file
        The signed envelope of the statement, as JSON.
    coordinator
        A coordinator's key file; as many as the relay's threshold.
    """
    from trust.client import Relay

    if not coordinator:
        raise Usage("a relay's word needs its signatures: give --coordinator")
    with service.client(coordinator[0]) as client:
        shown = read_statement(file)
        service.accepted(Relay(client, relay, read_keys_of(coordinator)).attest(shown), receipt)


@app.command
def register(
    name: str = "relay",
    /,
    *,
    operator: Path,
    coordinator: Coordinators,
    threshold: Count = 1,
    receipt: ReceiptFile = None,
    service: Service = SERVICE,
) -> None:
    """Register a relay; its id (rly_...) is in the answer.

    Parameters
    ----------
    name
        What people call it.
    operator
        The operator's key file.
    coordinator
        A coordinator's key file; may be given several times.
    threshold
        How many coordinators must sign.
    """
    from trust.client import Operator

    if not coordinator:
        raise Usage("a relay has at least one coordinator: give --coordinator")
    with service.client(operator) as client:
        done = Operator(client, read_key(operator)).register_relay(name, read_keys_of(coordinator), threshold)
        service.accepted(done, receipt)
