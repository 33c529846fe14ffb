"""`trust keys`: key files are 64 hex digits, or encrypted by a passphrase, mode 0600; a key's public name is its DID.

The service's own keys (log, draw) are changed by an entry of the log. The new key lies in the data directory before
it is adopted, so that the service finds it when it needs it; the key before stays as long as anything began under it.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from trust import passphrases, settings
from trust.cli.connection import OUTPUT, SERVICE, Me, Output, Service, new_passphrase, read_key, read_seed
from trust.cli.failures import Usage
from trust.cli.terminal import say
from trust.files import PRIVATE, write_once, write_whole

if TYPE_CHECKING:
    from trust.client import TrustClient
    from trust.log.ed25519 import PrivateKey

app = App(name="keys")


@app.command
def new(
    file: Path, /, *, encrypt: Annotated[bool, Parameter(negative=())] = False, output: Output = OUTPUT
) -> None:
    """Make a key.

    Parameters
    ----------
    file
        Where to write it; never over a file that is there.
    encrypt
        Encrypt it by the passphrase in the file that TRUST_PASSPHRASE_FILE names, or else one that is asked for.
    """
    seed = secrets.token_bytes(settings.SEED_BYTES)
    if encrypt:
        write_once(file, passphrases.encrypt(seed, settings.given_passphrase() or new_passphrase(file)))
    else:
        settings.write_seed(file, seed)
    _tell(file, seed, output)


@app.command
def passphrase(
    file: Path,
    /,
    *,
    to: Path | None = None,
    plain: Annotated[bool, Parameter(negative=())] = False,
    output: Output = OUTPUT,
) -> None:
    """Give a key file another passphrase, or its first; the key stays the same.

    The one before is in the file that TRUST_PASSPHRASE_FILE names, or it is asked for.

    Parameters
    ----------
    to
        A file with the new passphrase; without it, it is asked for.
    plain
        Take the passphrase away: the key lies in the file as it is.
    """
    if plain and to is not None:
        raise Usage("give --to or --plain")
    seed = read_seed(file)
    if plain:
        data = f"{seed.hex()}\n".encode()
    else:
        data = passphrases.encrypt(
            seed, settings.read_passphrase(to) if to is not None else new_passphrase(file)
        )
    write_whole(file, data, PRIVATE)
    _tell(file, seed, output)


@app.command
def show(file: Path, /, *, output: Output = OUTPUT) -> None:
    """Show the DID of a key file, or of unix:SOCKET, a signer; never the key itself."""
    _tell(file, read_key(file), output)


def _tell(file: Path, key: PrivateKey, output: Output) -> None:
    from trust.client.statements import did_of_seed

    did = did_of_seed(key)
    output.show({"file": str(file), "did": did}) if output.json else say(did)


@app.command
def adopt(
    use: Literal["log", "draw"],
    file: Path | None = None,
    /,
    *,
    me: Me,
    receipt: Path | None = None,
    service: Service = SERVICE,
) -> None:
    """Give the service another key: for the log's checkpoints from the next one on, or for the draws of later claims.

    Run it where the service's data directory is. Keep the receipt of a log key: it leads from the key before to it.

    Parameters
    ----------
    use
        What the key is for.
    file
        A key file; default: a new key in the data directory.
    receipt
        Where to keep the receipt; default: rotation-INDEX.json in the data directory, for a log key.
    """
    from trust.client import Operator
    from trust.client.statements import did_of_seed

    chosen = service.settings()
    with service.client(me.key) as client:
        seed = read_seed(file) if file is not None else _new(client, chosen, use)
        did = did_of_seed(seed)
        before = _held(chosen, use, client.policy()) if use == "log" else None
        if seed not in chosen.keys(use):
            settings.write_seed(chosen.data_dir / f"{use}-{did[-12:]}.key", seed)
        done = Operator(client, me.seed(), me.actor).adopt_key(use, seed, before)
        if use == "log" and receipt is None:
            receipt = chosen.data_dir / f"rotation-{done.index}.json"
        service.accepted(done, receipt)


def _new(client: TrustClient, chosen: settings.Settings, use: str) -> bytes:
    """A new key's seed; the one that an earlier run made and got no answer about, where there is one."""
    from trust.client.statements import did_of_seed

    outbox = client.exchanges.outbox
    named = outbox.said_before("key.adopt", use=use).get("key") if outbox else None
    made = [seed for seed in chosen.keys(use) if did_of_seed(seed) == named]
    return made[0] if made else secrets.token_bytes(settings.SEED_BYTES)


def _held(chosen: settings.Settings, use: str, policy: dict[str, Any]) -> bytes:
    """The key that is in force now, which signs for its successor."""
    from trust.client.statements import did_of_seed

    named = policy.get(f"{use}_key")
    for seed in chosen.keys(use):
        if did_of_seed(seed) == named:
            return seed
    raise Usage(f"the key in force, {named}, is not in {chosen.data_dir}: it has to sign for the next one")
