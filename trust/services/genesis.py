"""How a network begins: its tables, and its genesis as entry 0 (docs/protocol.md 1)."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from trust import clock
from trust.core import policy
from trust.core.decay import Decay
from trust.core.entry import FORMAT, Genesis
from trust.core.events import NETWORK
from trust.core.identity import did_of
from trust.core.records import Network
from trust.core.rules.changes import KNOWN
from trust.errors import TrustError
from trust.log import ed25519
from trust.log.note import Signer
from trust.services import headfile
from trust.services.sequencing import Sequencer
from trust.settings import Settings
from trust.storage.engine import Database
from trust.storage.migrations import upgrade
from trust.storage.reading import reading

HEAD_FILE = "head"


def seeds(settings: Settings) -> tuple[bytes, bytes]:
    """The seeds of the log key and of the draw key; TrustError where one is missing."""
    chosen = []
    for name, seed in (("log", settings.log_key), ("draw", settings.draw_key)):
        if seed is None:
            raise TrustError(
                "log-frozen",
                f"there is no {name} key in {settings.data_dir}",
                hint=f"trust init makes one; else set TRUST_{name.upper()}_KEY or {name}_key_file",
            )
        chosen.append(seed)
    return chosen[0], chosen[1]


def found(
    settings: Settings,
    network: str,
    policy_toml: str,
    operator_seed: bytes,
    now_ms: int | None = None,
    witnesses: Sequence[str] = (),
) -> str:
    """Makes the log of a new network: tables, genesis as entry 0, head file. Returns its verifier key.

    `witnesses` are lines of C2SP tlog-policy, in place of the policy's own. Refuses (`already-done`) where the
    database has a log, and InvalidPolicy where the policy may not be adopted.
    """
    log_seed, draw_seed = seeds(settings)
    terms = policy.parse(policy_toml)
    if witnesses:
        terms = replace(terms, witnesses=policy.with_quorum(witnesses))
    if reasons := policy.dangers(terms):
        raise policy.InvalidPolicy(reasons)
    signer = Signer(network, log_seed)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    upgrade(settings.database_url)
    database = Database(settings.database_url, 1)
    t0_ms = clock.now_ms() if now_ms is None else now_ms
    genesis = Genesis(
        format=FORMAT,
        network=network,
        rules=max(KNOWN),
        log_key=did_of(ed25519.public_key(log_seed)),
        draw_key=did_of(ed25519.public_key(draw_seed)),
        operator=did_of(ed25519.public_key(operator_seed)),
        policy=terms,
        slow_half_life_ms=Decay(t0_ms).slow_half_life_ms,
        fast_half_life_ms=Decay(t0_ms).fast_half_life_ms,
        t0_ms=t0_ms,
    )
    try:
        sequencer = Sequencer(database, [signer], settings.data_dir / HEAD_FILE)
        sequencer.open()
        sequencer.create(genesis)
    finally:
        database.close()
    return str(signer.verifier)


def resume(settings: Settings, network: str, operator_seed: bytes) -> str:
    """The verifier key of a log that was founded with these keys and has no entry but its genesis; "" where there is
    another one. Writes the head file that a founding which was cut off may have left unwritten."""
    log_seed, draw_seed = seeds(settings)
    database = Database(settings.database_url, 1)
    try:
        with reading(database) as reader:
            head, there = reader.head(), reader.record(Network, NETWORK)
    finally:
        database.close()
    keys = [did_of(ed25519.public_key(each)) for each in (log_seed, draw_seed, operator_seed)]
    mine = [network, *keys]
    if (
        there is None
        or head.size != 1
        or [there.origin, there.log_key, there.draw_key, there.operator] != mine
    ):
        return ""
    headfile.write(settings.data_dir / HEAD_FILE, head.checkpoint)
    return str(Signer(network, log_seed).verifier)
