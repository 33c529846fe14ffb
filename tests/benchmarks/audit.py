"""How long an audit takes against what cannot be saved, and in what memory: `python -m tests.benchmarks.audit`.

The goal: everything (fetching, hashes, signatures, the replay over SQLite) in at most 1.5 times the time that PyNaCl
alone takes to verify the log's signatures on one core, in under 300 MB. Two logs: tasks, claims and renewals without
draws; and the whole life of claims, where each output has a draw, whose VRF proof is one more thing to verify that
no auditor can save (eight signatures' worth); its row is against both.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from msgspec.structs import replace

from tests.audit.networks import World, policy, signer
from tests.benchmarks.table import Row, at_most, figure, show
from trust.core.commands import Spoken
from trust.core.entry import decode_entry
from trust.core.envelope import pae
from trust.core.identity import key_of
from trust.core.payloads import ClaimAbandon, ClaimRenew
from trust.core.records import Claim
from trust.core.rulebook import incoming_of
from trust.core.sampling import vrf
from trust.log import ed25519

REQUESTERS, WORKERS, VERIFIERS = 20, 50, 12
STEP_MS = 2_000
MEBIBYTE = 1_024


def run(size: int = 50_000) -> list[Row]:
    """Time and memory of both audits, of logs of about `size` entries."""
    return [*_rows("claims, no draws", size, _renewed), *_rows("whole claims", size, _delivered)]


def _rows(name: str, size: int, work: Callable[[World, str, str], None]) -> list[Row]:
    world = _worked(size, work)
    entries = len(world.entries)
    signatures_s, signatures = _signatures(world)
    proofs_s = _proofs(world)
    with TemporaryDirectory() as folder:
        audit_s, busy_s, peak_kib = _measure(world.publish(Path(folder)))
    what = f"audit of {entries:,} entries ({name})"
    took, alone = (
        f"{audit_s:.1f} s ({busy_s:.1f} s of the busier core)",
        f"{signatures:,} signatures: {signatures_s:.1f} s",
    )
    rows = [at_most(f"{what}, peak memory", f"{peak_kib / MEBIBYTE:.0f} MiB", "300 MB", peak_kib / 292_968)]
    if world.proofs:
        ratio = audit_s / (signatures_s + proofs_s)
        both = f"{alone}, {len(world.proofs):,} VRF proofs: {proofs_s:.1f} s"
        return [
            at_most(what, took, both, ratio, 1.5),
            figure(what, took, alone, audit_s / signatures_s),
            *rows,
        ]
    return [at_most(what, took, alone, audit_s / signatures_s, 1.5), *rows]


def _worked(size: int, work: Callable[[World, str, str], None]) -> World:
    """A network in which tasks are posted, claimed and worked on until its log has this size."""
    fast = policy("fast")
    world = World(replace(fast, verifiers=replace(fast.verifiers, min_age_ms=0)))
    world.deposit("operator/bond", 1_000_000)
    for number in range(REQUESTERS):
        world.register(f"requester-{number}", deposit=10**9)
    for number in range(WORKERS):
        world.register(f"worker-{number}", deposit=10**6)
    for number in range(VERIFIERS):
        world.register(f"verifier-{number}", deposit=50_000, verifies=True)
    relay = world.relay()
    world.wait(700_000)
    task = 0
    while len(world.entries) < size:
        name, worker = f"task-{task}", f"worker-{task % WORKERS}"
        index = world.post(f"requester-{task % REQUESTERS}", name)
        work(world, worker, world.claim(worker, name, index, relay))
        world.wait(STEP_MS)
        task += 1
    return world


def _renewed(world: World, worker: str, claim: str) -> None:
    world.say(ClaimRenew, worker, claim=claim)
    world.say(ClaimAbandon, worker, claim=claim)


def _delivered(world: World, worker: str, claim: str) -> None:
    world.output(worker, claim)
    world.serve()
    if world.need(Claim, claim).state == "checking":
        world.check(worker, claim, lambda name: "pass")


def _signatures(world: World) -> tuple[float, int]:
    """Seconds to verify every signature of the log on one core, with nothing beside it, and how many there are."""
    checks = []
    for data in world.entries:
        said = decode_entry(data).command
        if said.statement is not None:
            spoken = incoming_of(said)
            assert isinstance(spoken, Spoken)
            signed = spoken.signed
            message = pae(signed.envelope.payloadType, signed.payload)
            pairs = zip(map(key_of, signed.signers), signed.signatures, strict=True)
            checks += [(key, message, signature) for key, signature in pairs]
    begun = process_time()
    for check in checks:
        ed25519.verify(*check)
    return process_time() - begun, len(checks)


def _proofs(world: World) -> float:
    begun = process_time()
    for proof in world.proofs:
        vrf.verify(*proof)
    return process_time() - begun


def _measure(folder: Path) -> tuple[float, float, int]:
    """An audit in a process of its own: seconds from its start, CPU seconds of the busier of its two processes, and
    the peak memory of both, in KiB."""
    begun = perf_counter()
    command = [sys.executable, "-m", "tests.benchmarks.audited", str(folder), str(signer().verifier)]
    output = subprocess.run(command, check=True, capture_output=True).stdout
    took_s = perf_counter() - begun
    used = json.loads(output)
    return took_s, max(used["cpu_s"]), sum(used["peak_kib"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=50_000)
    show(run(parser.parse_args().size))
