"""A PostgreSQL server that restarts, in both of its ways, while clients write: nothing acknowledged is lost."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.house import JSON, House, body_of, found, settings_for
from tests.api.processes import serving
from tests.journeys.test_service_killed import check_all
from tests.postgres import Postgres
from trust.audit import auditing

pytestmark = [pytest.mark.slow, pytest.mark.postgres]
WRITERS = 4
RESTARTS = 20
RETRY_S = 0.05


class Writer(threading.Thread):
    """Posts tasks, each with the same bytes until it is taken, and keeps what it was told."""

    def __init__(self, home: House, base_url: str, name: str) -> None:
        super().__init__(daemon=True)
        self.acknowledged: list[bytes] = []
        self.statuses: Counter[int] = Counter()
        self.done = threading.Event()
        self._home, self._name, self._url = home, name, base_url
        self.start()

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30) as client:
            number = 0
            while not self.done.is_set():
                number += 1
                body = body_of(self._home.task_post(f"{self._name}-{number}", price_units=0))
                while not self._is_taken(client.post("/v1/tasks", content=body, headers=JSON)):
                    time.sleep(RETRY_S)

    def _is_taken(self, answer: httpx.Response) -> bool:
        self.statuses[answer.status_code] += 1
        if answer.status_code in (200, 201):
            self.acknowledged.append(answer.content)
        return answer.status_code not in (429, 503)


@pytest.fixture
def server() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.stop()


def test_a_server_that_restarts_under_load_loses_nothing_that_was_acknowledged(
    server: Postgres, tmp_path: Path
) -> None:
    url = server.create()
    vkey = found(settings_for(tmp_path, url))
    with serving(tmp_path, url, vkey, changes={"requests_per_s": 0}) as (running, home):
        home.settle_in()
        writers = [Writer(home, running.base_url, f"writer-{number}") for number in range(WRITERS)]
        for restart in range(RESTARTS):
            time.sleep(1)
            server.restart("fast" if restart % 2 else "immediate")
        time.sleep(2)
        for writer in writers:
            writer.done.set()
        for writer in writers:
            writer.join(60)
        statuses = sum((writer.statuses for writer in writers), Counter())
        acknowledged = [answer for writer in writers for answer in writer.acknowledged]
        print(f"{RESTARTS} restarts: {len(acknowledged)} acknowledged, answers {dict(statuses)}")
        assert set(statuses) <= {200, 201, 503}, statuses
        assert statuses[503]
        assert len(acknowledged) > RESTARTS
        home.wait(lambda: httpx.get(f"{running.base_url}/health/ready").status_code == 200)
        check_all(home.database, vkey, acknowledged)
        assert auditing.audit(running.base_url, vkey).ok
        home.database.close()
