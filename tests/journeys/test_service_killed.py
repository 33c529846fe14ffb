"""The whole service killed by its process group while clients write: what it acknowledged is on the log afterwards."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.api.house import JSON, House, body_of, found, settings_for
from tests.api.processes import free_port, serving
from trust.audit import auditing
from trust.core.receipt import Receipt
from trust.log import merkle
from trust.storage.engine import Database
from trust.storage.reading import reading
from trust.verify.receipts import parse_key, verify_receipt

WRITERS = 4
LIFE_S = 1.0


class Writer(threading.Thread):
    """Posts tasks one after the other until the service is gone, and keeps what it was told."""

    def __init__(self, home: House, base_url: str, name: str) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[bytes] = []
        self._statements = (home.task_post(f"{name}-{number}", price_units=0) for number in range(100_000))
        self._url = base_url
        self.start()

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=10) as client:
            for spoken in self._statements:
                try:
                    answer = client.post("/v1/tasks", content=body_of(spoken), headers=JSON)
                except httpx.TransportError:
                    return
                if answer.status_code == 201:
                    self.acknowledged.append(answer.content)


@pytest.mark.journey
@pytest.mark.parametrize("cycles", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_a_service_that_is_killed_with_all_its_processes_loses_nothing_it_acknowledged(
    cycles: int, tmp_path: Path, sqlite_url: str
) -> None:
    vkey, port = found(settings_for(tmp_path, sqlite_url)), free_port()
    acknowledged: list[bytes] = []
    for cycle in range(cycles):
        with serving(tmp_path, sqlite_url, vkey, port) as (running, home):
            if cycle == 0:
                home.settle_in()
            writers = [Writer(home, running.base_url, f"c{cycle}w{number}") for number in range(WRITERS)]
            time.sleep(LIFE_S)
            running.kill()
            for writer in writers:
                writer.join()
                acknowledged += writer.acknowledged
    assert len(acknowledged) > cycles * WRITERS
    with serving(tmp_path, sqlite_url, vkey, port) as (running, home):
        check_all(home.database, vkey, acknowledged)
        assert auditing.audit(running.base_url, vkey).ok


def check_all(database: Database, vkey: str, acknowledged: list[bytes]) -> None:
    """Every receipt's entry is where it said, in a tree that grew out of the one that it was proven in."""
    key = parse_key(vkey)
    with reading(database) as reader:
        size = reader.head().size
        nodes = reader.nodes(size)
        for answer in acknowledged:
            proven = verify_receipt(msgspec.convert(msgspec.json.decode(answer)["receipt"], Receipt), key)
            stored = reader.entry(proven.index)
            assert stored is not None
            assert stored.data == proven.data
            assert proven.checkpoint.size <= size
            assert merkle.root(proven.checkpoint.size, nodes) == proven.checkpoint.root
