"""`trust evidence`: objective proofs of misbehaviour, put before the log."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from trust.cli.connection import OUTPUT, SERVICE, Me, Output, Service

app = App(name="evidence")


@app.command
def submit(file: Path, /, *, me: Me, receipt: Path | None = None, service: Service = SERVICE) -> None:
    """Show a file of evidence to the log, which judges it by its rules: it convicts, or says why it does not.

    Parameters
    ----------
    file
        What `trust log watch`, a witness or a party kept: a fork, a false relay.confirm, two outputs, two canaries.
    receipt
        Where to keep the receipt.
    """
    from trust.client import Agent
    from trust.client.evidence import said_of

    said = said_of(file.read_bytes())
    with service.client() as client:
        service.accepted(Agent(client, me.seed(), me.actor).show_evidence(said), receipt)


@app.command
def outputs(receipt: Path, statement: Path, file: Path, /, *, output: Output = OUTPUT) -> None:
    """Write the evidence of two outputs for one claim: the receipt of the one, the signed envelope of the other.

    Parameters
    ----------
    receipt
        The receipt of the output that is on the log.
    statement
        The other output, as its worker signed it.
    file
        Where to write the evidence.
    """
    import msgspec

    from trust.client.evidence import EquivocationEvidence
    from trust.core.receipt import Receipt

    shown = msgspec.json.decode(receipt.read_bytes(), type=Receipt)
    file.write_bytes(EquivocationEvidence.of(shown, statement.read_bytes()).encode())
    output.show({"evidence": str(file), "index": shown.index})
