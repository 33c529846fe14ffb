"""`trust witness`: a witness of our own, with its own key and its own memory (C2SP tlog-witness)."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from trust import journal, settings
from trust.cli.connection import OUTPUT, Output, read_seed, read_vkey
from trust.cli.failures import Usage
from trust.cli.values import Port
from trust.files import write_whole

if TYPE_CHECKING:
    from trust.log.note import Signer
    from trust.witness.store import Store

app = App(name="witness")
KEY_FILE, VKEY_FILE, STORE_FILE = "witness.key", "witness.vkey", "witness.db"
DEFAULT = Path("trust-witness")

Data = Annotated[Path, Parameter(env_var="TRUST_WITNESS_DATA")]


@app.command
def init(*, name: str, data: Data = DEFAULT, output: Output = OUTPUT) -> None:
    """Make a witness: its key and an empty memory. Prints its verifier key, which logs and auditors need.

    Parameters
    ----------
    name
        The witness's name for ever, a URL without https://, such as witness.example.org/one.
    data
        The directory to keep key and memory in.
    """
    from trust.log.note import COSIGNATURE_V1, NoteError, Signer
    from trust.witness.store import Store

    try:
        Signer(name, bytes(settings.SEED_BYTES), COSIGNATURE_V1)
    except NoteError as error:
        raise Usage(str(error)) from error
    if (data / VKEY_FILE).exists():
        raise FileExistsError(17, "there already", str(data / VKEY_FILE))
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):  # of an init that was cut off
        settings.write_seed(data / KEY_FILE, secrets.token_bytes(settings.SEED_BYTES))
    vkey = str(Signer(name, read_seed(data / KEY_FILE), COSIGNATURE_V1).verifier)
    with suppress(FileExistsError):
        Store.create(data / STORE_FILE)
    write_whole(data / VKEY_FILE, (vkey + "\n").encode())  # the last of all: what has it is whole
    output.show({"name": name, "data": str(data), "vkey": vkey, "vkey_file": str(data / VKEY_FILE)})


@app.command
def add_log(vkey: str, /, *, origin: str = "", data: Data = DEFAULT, output: Output = OUTPUT) -> None:
    """Witness a log from now on, also while the witness runs.

    Parameters
    ----------
    vkey
        The log's verifier key, or a file with it.
    origin
        The first line of its checkpoints, where that is not the key's name.
    data
        The witness's directory.
    """
    from trust.witness.store import StoreError

    key = read_vkey(vkey)
    try:
        _store(data).add_log(origin or key.name, key)
    except StoreError as error:
        raise Usage(str(error)) from error
    output.show({"origin": origin or key.name, "vkey": str(key)})


@app.command
def show(*, data: Data = DEFAULT, output: Output = OUTPUT) -> None:
    """Show the witness's verifier key, the logs that it knows, and the size that it cosigned last of each.

    Parameters
    ----------
    data
        The witness's directory.
    """
    from trust.witness.store import checkpoint_of

    store, logs = _store(data), []
    for origin, key in store.logs():
        held = store.held(origin)
        last = checkpoint_of(held) if held else None
        seen = {"size": last.size, "root": last.root.hex()} if last else {"size": 0, "root": ""}
        logs.append({"origin": origin, "vkey": str(key), **seen})
    output.show({"vkey": str(_signer(data).verifier), "logs": logs})


@app.command
def serve(
    *, data: Data = DEFAULT, host: str = "127.0.0.1", port: Port = 8401, output: Output = OUTPUT
) -> None:
    """Answer POST /add-checkpoint until SIGTERM or SIGINT.

    Parameters
    ----------
    data
        The witness's directory.
    host
        The address to listen on.
    port
        The port to listen on; 0 takes one that is free.
    """
    from trust.witness.server import WitnessServer
    from trust.witness.witness import Witness

    journal.configure()
    store, signer = _store(data), _signer(data)
    with WitnessServer(host, port, Witness(store, signer, data)) as server:
        server.stop_when_told()
        output.show({"serving": settings.http_address(host, server.port), "vkey": str(signer.verifier)})
        server.serve_forever()
    store.close()


def _store(data: Path) -> Store:
    from trust.witness.store import Store, StoreError

    try:
        return Store(data / STORE_FILE)
    except StoreError as error:
        raise Usage(str(error)) from error


def _signer(data: Path) -> Signer:
    """The witness's key, under the name that its verifier key has."""
    from trust.log.note import COSIGNATURE_V1, Signer

    public = read_vkey(str(data / VKEY_FILE))
    signer = Signer(public.name, read_seed(data / KEY_FILE), COSIGNATURE_V1)
    if signer.verifier != public:
        raise Usage(f"{data / KEY_FILE} is not the key of {data / VKEY_FILE}")
    return signer
