"""`trust keys`: key files are 64 hex digits, mode 0600; a key's public name is its DID."""

from __future__ import annotations

import secrets
from pathlib import Path

from cyclopts import App

from trust import settings
from trust.cli.connection import OUTPUT, Output

app = App(name="keys")


@app.command
def new(file: Path, /, *, output: Output = OUTPUT) -> None:
    """Make a key.

    Parameters
    ----------
    file
        Where to write it; never over a file that is there.
    """
    settings.write_seed(file, secrets.token_bytes(settings.SEED_BYTES))
    show(file, output=output)


@app.command
def show(file: Path, /, *, output: Output = OUTPUT) -> None:
    """Show a key's DID, never the key itself."""
    from trust.client.statements import did_of_seed

    did = did_of_seed(settings.read_seed(file))
    output.show({"file": str(file), "did": did}) if output.json else print(did)
