"""Outputs over HTTP in batches of 1,000, against the rate at which PyNaCl alone verifies the same signatures.

The claims exist and the statements are signed before the clock runs. What is timed is everything that a caller
waits for: HTTP, parsing, verifying, deciding, appending, the commit, the receipts in the answer. PyNaCl is timed
before and after it, the better counts, and every receipt of every answer is checked offline in the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any

import msgspec
from nacl import bindings

from tests.benchmarks.filling import FilledLog
from tests.benchmarks.served import Served
from tests.benchmarks.table import Row, at_least, figure
from trust.core import envelope
from trust.core.commands import Spoken
from trust.core.identity import key_of
from trust.core.strict import b64
from trust.log import merkle
from trust.log.note import Verifier
from trust.log.proof import verify_proof

BATCH = 1_000
CONNECTIONS = 3
WARM_BATCHES = 2
QUIET_S = 3
JSON = {"Content-Type": "application/json"}
_encode = msgspec.json.Encoder().encode


def on_sqlite(quick: bool) -> list[Row]:
    """The rows for SQLite."""
    with TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/trust.db"
        return _measured("SQLite", url, Path(directory), 0.40, 5 if quick else 20)


def on_postgres(quick: bool) -> list[Row]:
    """The rows for a real PostgreSQL server."""
    from tests.postgres import Postgres

    server = Postgres()
    try:
        with TemporaryDirectory() as directory:
            return _measured("PostgreSQL", server.create(), Path(directory), 0.25, 5 if quick else 20)
    finally:
        server.stop()


def _measured(name: str, url: str, directory: Path, goal: float, batches: int) -> list[Row]:
    filled = FilledLog(url, directory)
    outputs = [filled.outputs(BATCH) for _ in range(batches + WARM_BATCHES)]
    filled.close()
    bodies = list(map(posted, outputs))
    signed = [each for batch in outputs[WARM_BATCHES:] for each in batch]
    with Served(filled.town, directory, url) as service:
        post_all(service, bodies[:WARM_BATCHES])
        before = bare_rate(signed)
        begun = perf_counter()
        answers = post_all(service, bodies[WARM_BATCHES:])
        rate = len(signed) / (perf_counter() - begun)
        bare = max(before, bare_rate(signed))
        draws_per_s = _draws_per_s(service)
    _check(answers, filled.town.log.verifier)
    return [
        at_least(
            f"outputs over HTTP, batches of {BATCH:,}, {name}",
            f"{rate:,.0f}/s",
            f"PyNaCl alone {bare:,.0f}/s",
            rate / bare,
            goal,
        ),
        figure(
            "draws of these outputs, which give way to callers",
            f"{draws_per_s:,.0f}/s",
            f"outputs {rate:,.0f}/s",
            draws_per_s / rate,
        ),
    ]


def bare_rate(statements: Sequence[Spoken]) -> float:
    """Signatures a second of PyNaCl on one core, messages and keys prepared."""
    prepared = [
        (
            statement.signed.signatures[0] + envelope.pae(envelope.PAYLOAD_TYPE, statement.signed.payload),
            key_of(statement.signed.signers[0]),
        )
        for statement in statements
    ]
    begun = perf_counter()
    for message, key in prepared:
        bindings.crypto_sign_open(message, key)
    return len(prepared) / (perf_counter() - begun)


def posted(statements: Sequence[Spoken]) -> bytes:
    """The body of a batch."""
    return _encode([msgspec.Raw(envelope.encode(each.signed.envelope)) for each in statements])


def post_all(service: Served, bodies: Sequence[bytes]) -> list[bytes]:
    """Posts every body over a few connections; the answers in order."""
    waiting = list(enumerate(bodies))[::-1]
    answers = [b""] * len(bodies)

    def post() -> None:
        connection = service.connect()
        while waiting:
            at, body = waiting.pop()
            connection.request("POST", "/v1/statements", body, JSON)
            answers[at] = connection.getresponse().read()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for done in [pool.submit(post) for _ in range(CONNECTIONS)]:
            done.result()
    return answers


def _draws_per_s(service: Served) -> float:
    """Entries a second from now on, until the log grows no more."""
    begun, first = perf_counter(), _size(service)
    ended, size = begun, first
    while perf_counter() - ended < QUIET_S:
        sleep(0.2)
        if (now := _size(service)) > size:
            ended, size = perf_counter(), now
    return (size - first) / (ended - begun) if size > first else 0.0


def _size(service: Served) -> int:
    connection = service.connect()
    connection.request("GET", "/log/checkpoint")
    size = int(connection.getresponse().read().split(b"\n")[1])
    connection.close()
    return size


def _check(answers: Sequence[bytes], key: Verifier) -> None:
    """Every statement is on the log, and its receipt proves it."""
    for answer in answers:
        said: dict[str, Any] = msgspec.json.decode(answer)
        for result in said["results"]:
            assert result["status"] == 201, result
            leaf = merkle.leaf_hash(b64(result["entry"]))
            verify_proof(leaf, result["proof"].encode(), key, index=result["index"])
