"""`trust receipt`: what a file proves, with the log's key and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from trust.cli.connection import OUTPUT, Output, read_vkey

if TYPE_CHECKING:
    from trust.client.verify import Proven

app = App(name="receipt")


@app.command
def verify(
    file: Path, /, *, key: Annotated[str, Parameter(env_var="TRUST_VKEY")], output: Output = OUTPUT
) -> None:
    """Verify a receipt, a batch of receipts, a refusal or evidence of a fork, offline. Exit 1 where it does not hold.

    Parameters
    ----------
    file
        The file to verify.
    key
        The log's verifier key, or a file with it: from somewhere you trust, never from what you verify.
    """
    from trust.client.forks import Convicted
    from trust.client.verify import Refusal, verify_file

    proven = verify_file(file.read_bytes(), read_vkey(key))
    if isinstance(proven, Refusal):
        facts = {
            "statement": proven.statement,
            "code": proven.code,
            "size": proven.size,
            "at_ms": proven.at_ms,
        }
        output.show({"verified": "refusal", "network": proven.network, **facts})
    elif isinstance(proven, Convicted):
        roots = {"root": proven.held.hex(), "other_root": proven.other.hex()}
        facts = {"size": proven.size, **roots, "signed_size": proven.signed_size}
        output.show({"verified": "fork", "network": proven.origin, **facts})
    elif len(proven) == 1:
        output.show({"verified": "receipt", **_facts(proven[0])})
    else:
        output.show({"verified": "batch", "receipts": [_facts(each) for each in proven]})


def _facts(proven: Proven) -> dict[str, Any]:
    from trust.core.payloads import kind_of

    said = proven.spoken
    about = {"kind": kind_of(said.payload), "actor": said.payload.actor, "statement": said.id} if said else {}
    checkpoint = proven.checkpoint
    return {
        "network": checkpoint.origin,
        "index": proven.index,
        "at_ms": proven.at_ms,
        **about,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
    }
