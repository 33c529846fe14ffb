"""A network's first statements: everybody registers, is given money, and the relay gets its number.

All of it goes to the service in one batch, in this order, so that the pool of verifiers is complete in one epoch.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from trust.client import Accepted, AsyncTrustClient
from trust.client.agents import registration_bits
from trust.client.statements import Speaker, did_of_seed, find_nonce
from trust.core.payloads import AgentRegister, RelayRegister, StakeDeposit, VerifierEnroll
from trust.sandbox import cast
from trust.settings import SEED_BYTES, read_seed, write_seed

Seeds = Mapping[str, bytes]
THRESHOLD = 1


def key_files(directory: Path) -> dict[str, Path]:
    """Where the key of each party lies."""
    return {name: directory / f"{name}.key" for name in (*cast.EVERYONE, cast.COORDINATOR)}


def write_keys(directory: Path) -> None:
    """Makes a key for each party, in files of mode 0600."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in key_files(directory).values():
        write_seed(path, secrets.token_bytes(SEED_BYTES))


def read_keys(directory: Path) -> dict[str, bytes]:
    """The keys of all parties."""
    return {name: read_seed(path) for name, path in key_files(directory).items()}


def first_statements(network: str, operator: bytes, seeds: Seeds, bits: int, now_ms: int) -> list[bytes]:
    """Registrations, deposits, the relay, enrolments: signed, in the order in which they count."""
    speakers = {name: Speaker(network, seed) for name, seed in seeds.items()}
    treasury = Speaker(network, operator)
    statements = [_registered(speakers[name], name, bits, now_ms) for name in cast.EVERYONE]
    statements += [
        _deposit(treasury, speakers[name].actor, cast.DEPOSIT_UNITS, name, now_ms) for name in cast.EVERYONE
    ]
    statements.append(_deposit(treasury, "operator/bond", cast.OPERATOR_BOND_UNITS, cast.OPERATOR, now_ms))
    statements.append(
        treasury.say(
            RelayRegister,
            now_ms,
            cosigners=[seeds[cast.COORDINATOR]],
            name="demo",
            coordinators=(did_of_seed(seeds[cast.COORDINATOR]),),
            threshold=THRESHOLD,
        )
    )
    statements += [
        speakers[name].say(
            VerifierEnroll, now_ms, task_kinds=(cast.TASK_KIND,), stake_units=cast.VERIFIER_STAKE_UNITS
        )
        for name in cast.VERIFIERS
    ]
    return statements


def _registered(speaker: Speaker, name: str, bits: int, now_ms: int) -> bytes:
    nonce = find_nonce(speaker.network, speaker.actor, bits)
    return speaker.say(AgentRegister, now_ms, handle=name, capabilities=(cast.TASK_KIND,), pow=nonce)


def _deposit(treasury: Speaker, account: str, units: int, name: str, now_ms: int) -> bytes:
    return treasury.say(StakeDeposit, now_ms, account=account, amount_units=units, reference=f"demo-{name}")


async def found(client: AsyncTrustClient, operator: bytes, seeds: Seeds) -> str:
    """Makes the first statements of a network; returns the relay's id. Raises the first refusal."""
    bits = registration_bits(await client.policy())
    statements = first_statements(client.network, operator, seeds, bits, client.now_ms())
    relay = ""
    for result in await client.send_many(statements):
        if not isinstance(result, Accepted):
            raise result
        relay = result.created.get("relay", relay)
    return relay
