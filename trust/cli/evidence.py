"""`trust evidence`: objective proofs of misbehaviour, put before the log."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from trust.cli.connection import (
    OUTPUT,
    SERVICE,
    Me,
    Output,
    ReceiptFile,
    Rotations,
    Service,
    read_receipt,
    read_statement,
    source_at,
)
from trust.cli.terminal import progress
from trust.files import write_whole

app = App(name="evidence")


@app.command
def submit(file: Path, /, *, me: Me, receipt: ReceiptFile = None, service: Service = SERVICE) -> None:
    """Show a file of evidence to the log, which judges it by its rules: it convicts, or says why it does not.

    Parameters
    ----------
    file
        What `trust log watch`, a witness or a party kept: a fork, a false relay.confirm, two outputs, two canaries.
    """
    from trust.client import Agent
    from trust.core.payloads import EvidenceSubmit
    from trust.verify.evidence import said_of

    statement = said_of(file.read_bytes())
    with service.acting(Agent, me) as agent:
        service.accepted(agent.send(EvidenceSubmit, **statement), receipt)


@app.command
def confirmation(statement: Path, file: Path, /, *, relay: str = "", service: Service = SERVICE) -> None:
    """Write the evidence of a false relay.confirm; exit 1 where the relay told the truth.

    Parameters
    ----------
    statement
        The confirmation, as the relay's coordinators signed it.
    file
        Where to write the evidence.
    relay
        Whose confirmation it is (rly_...); default: the relay of the claim that it names.
    """
    from trust.audit.confirmations import evidence_of

    with (
        service.client() as client,
        source_at(service.addresses()[0]) as source,
        progress("looking for the relay") as report,
    ):
        evidence, proven = evidence_of(read_statement(statement), client, source, relay, report)
    write_whole(file, evidence)
    service.show(
        {"evidence": str(file), "relay": proven.relay, "index": proven.index, "reason": proven.reason}
    )


@app.command
def canaries(
    one: Path,
    other: Path,
    file: Path,
    /,
    *,
    genesis: Path,
    commit: Path,
    other_commit: Path | None = None,
    rotation: Rotations = (),
    output: Output = OUTPUT,
) -> None:
    """Write the evidence of two answers of the operator for the same work.

    Parameters
    ----------
    one
        The signed envelope of one canary.open.
    other
        And of the other, which answers differently.
    file
        Where to write the evidence.
    genesis
        The receipt of entry 0, which says who the operator is.
    commit
        The receipt of the canary.commit that both open, or the first of them.
    other_commit
        The receipt of the one that the other opens, where that is another.
    rotation
        The receipt of an entry by which the operator changed its key.
    """
    from trust.verify.evidence import CanaryEvidence

    evidence = CanaryEvidence.of(
        (read_statement(one), read_statement(other)),
        (read_receipt(commit), read_receipt(other_commit or commit)),
        read_receipt(genesis),
        tuple(map(read_receipt, rotation)),
    )
    write_whole(file, evidence.encode())
    output.show({"evidence": str(file), "indices": [each.index for each in evidence.commits]})


@app.command
def outputs(
    receipt: Path, statement: Path, file: Path, /, *, rotation: Rotations = (), output: Output = OUTPUT
) -> None:
    """Write the evidence of two outputs for one claim: the receipt of the one, the signed envelope of the other.

    Parameters
    ----------
    receipt
        The receipt of the output that is on the log.
    statement
        The other output, as its worker signed it.
    file
        Where to write the evidence.
    rotation
        The receipt of an entry by which the worker changed its key, where the two are by different keys.
    """
    from trust.verify.evidence import EquivocationEvidence

    shown = read_receipt(receipt)
    rotations = tuple(map(read_receipt, rotation))
    write_whole(file, EquivocationEvidence.of(shown, read_statement(statement), rotations).encode())
    output.show({"evidence": str(file), "index": shown.index})
