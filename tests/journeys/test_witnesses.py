"""Two of three witnesses carry a network; with one alone it goes on, draws nothing, says so, and makes up for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.house import House, found, settings_for
from tests.api.processes import Running, serving
from tests.journeys.witnesses import Witness, lines_of, three
from trust.audit.auditing import audit
from trust.cli import run
from trust.core.payloads import TaskPost
from trust.log.quorum import Quorum
from trust.verify.files import verify_file
from trust.verify.quorum import check_quorum, read_quorum
from trust.verify.receipts import parse_key

pytestmark = pytest.mark.journey

DRAW_MS = 25_000
PATIENCE_S = 20.0
Witnesses = dict[str, Witness]


class Network:
    """A directory with a witnessed network, and its witnesses."""

    def __init__(self, folder: Path, url: str, witnesses: Witnesses) -> None:
        self.folder, self.url, self.witnesses = folder, url, witnesses
        self.policy = folder / "witnesses"
        self.policy.write_text("\n".join(lines_of(witnesses)))
        urls = [each.url for each in witnesses.values()]
        (folder / "trust.toml").write_text(f"witnesses = {json.dumps(urls)}\nwitness_interval_ms = 100\n")
        settings = settings_for(folder, url)
        self.vkey = found(settings, quorum=lines_of(witnesses), draw_ms=DRAW_MS, unbonding_ms=400_000)
        for each in witnesses.values():
            each.add_log(self.vkey)
            each.start()

    @property
    def quorum(self) -> Quorum:
        return read_quorum(self.policy)

    @contextmanager
    def served(self, before: House | None = None) -> Iterator[tuple[Running, House]]:
        """The service, with the people that it had before it was started again."""
        with serving(self.folder, self.url, self.vkey) as (running, home):
            if before is not None:
                home.relay, home.verifiers = before.relay, before.verifiers
            yield running, home


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.slow])])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Network]:
    """What witnesses do is the same on either database; the demo under trouble has them on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    with three(tmp_path) as witnesses:
        yield Network(tmp_path, url, witnesses)


def state(home: House, claim: str) -> str:
    return str(home.get(f"/v1/claims/{claim}")["state"])


def drawn(home: House, claim: str) -> None:
    home.wait(lambda: state(home, claim) != "submitted", PATIENCE_S)
    assert state(home, claim) == "checking"


def ready(home: House) -> Any:
    return home.get("/health/ready")


def test_a_network_lives_with_two_of_its_witnesses_and_waits_with_one(network: Network) -> None:
    with network.served() as (running, home):
        home.settle_in(verifiers=8)
        network.witnesses["w3"].kill()
        drawn(home, home.delivered("one"))
        named_by_an_audit(network, running, home)
        proven_later(network, home)
        network.witnesses["w2"].kill()
        waiting = home.delivered("two")
        assert running.stop() == 0
    with network.served(home) as (running, home):
        home.wait(lambda: "warnings" in ready(home), PATIENCE_S)
        accepts_and_says_so(home)
        assert state(home, waiting) == "submitted"
        network.witnesses["w2"].start()
        drawn(home, waiting)
        home.wait(lambda: "warnings" not in ready(home), PATIENCE_S)
        network.witnesses["w2"].kill()
        voided_when_overdue(home)
        network.witnesses["w2"].start()
        named_by_an_audit(network, running, home)


def named_by_an_audit(network: Network, running: Running, home: House) -> None:
    size = int(home.client.get("/v1/stats").headers["trust-size"])
    home.wait(lambda: ready(home)["witnesses"]["cosigned_size"] >= size, PATIENCE_S)
    report = audit(running.base_url, network.vkey, quorum=network.quorum)
    assert report.findings == ()
    assert report.witnesses == "2 of 3 witnesses: w1, w2"
    assert report.commands["draw"] > 0


def proven_later(network: Network, home: House) -> None:
    """A receipt that is asked for later proves with the caller's witnesses; the one of the write without them."""
    key = parse_key(network.vkey)
    said = home.done("/v1/tasks", home.task_post("proven"))["receipt"]
    written = json.dumps(said).encode()
    assert verify_file(written, key)
    index = said["index"]
    home.wait(lambda: home.get(f"/v1/receipts/{index}")["proof"].count("\n\N{EM DASH} ") == 3, PATIENCE_S)
    later = network.folder / "later.json"
    later.write_text(json.dumps(home.get(f"/v1/receipts/{index}")))
    assert check_quorum(verify_file(later.read_bytes(), key), later.read_bytes(), key, network.quorum)
    (network.folder / "written.json").write_bytes(written)
    assert [_verify(network, name) for name in ("later.json", "written.json")] == [0, 1]


def _verify(network: Network, name: str) -> int:
    said = ["receipt", "verify", str(network.folder / name), "--key", network.vkey]
    with redirect_stdout(StringIO()) as shown:
        code = run([*said, "--witnesses", str(network.policy)])
    assert ("2 of 3 witnesses: w1, w2" in shown.getvalue()) == (code == 0)
    return code


def accepts_and_says_so(home: House) -> None:
    """The service says what is missing, and takes what it is sent."""
    answer = httpx.get(f"{home.client.base_url}/health/ready")
    assert answer.status_code == 200
    [warning] = answer.json()["warnings"]
    assert warning.startswith("witness quorum missing for ")
    told = answer.json()["witnesses"]
    assert sorted(each["state"] for each in told["asked"]) == ["cosigned", "unreachable", "unreachable"]
    before = home.client.get("/log/checkpoint").content
    home.done("/v1/tasks", home.say(TaskPost, home.requester, **_terms("while-it-waits", home)))
    assert home.client.get("/log/checkpoint").content == before
    metrics = home.client.get("/metrics").text
    [missing] = [line for line in metrics.splitlines() if line.startswith("trust_quorum_missing_ms ")]
    assert float(missing.split()[1]) > 0
    assert sum(line.startswith("trust_witness_good{") for line in metrics.splitlines()) == 3


def _terms(task: str, home: House) -> dict[str, Any]:
    said = home.task_post(task).payload
    assert isinstance(said, TaskPost)
    names = ("task", "task_kind", "spec_sha256", "price_units", "deadline_ms")
    return {name: getattr(said, name) for name in names}


def voided_when_overdue(home: House) -> None:
    """A claim whose draw is overdue ends: its worker has its stake back and nothing more, the operator's bond burns."""
    bond = home.get("/v1/stats")["operator_bond_units"]
    claim = home.delivered("three")
    home.wait(lambda: state(home, claim) == "voided", DRAW_MS / 1_000 + PATIENCE_S)
    said = home.get(f"/v1/claims/{claim}")
    ledger = home.get(f"/v1/agents/{home.workers[0].did}/ledger")["postings"]
    assert ("stake.return", said["stake_units"]) in {
        (each["why"], each["change_units"]) for each in ledger[:3]
    }
    assert "draw.overdue" not in {each["why"] for each in ledger}
    burnt = said["task"]["price_units"] + said["stake_units"]
    assert home.get("/v1/stats")["operator_bond_units"] == bond - burnt
