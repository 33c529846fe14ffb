"""The documentation is true: made from the code, recomputed from its own text, and enough for a foreign client."""

from __future__ import annotations

import json
import math
import re
import subprocess
import time
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import found, house, settings_for
from tests.asgi import client_of
from tests.checks import STATIC
from tests.docs import independent as i
from tests.docs.examples import LOG
from tests.docs.makers import MAKERS
from tests.docs.parts import DOCS, PAGES, ROOT, all_parts, example, fields, read
from tests.docs.references import dangling, old, sources
from tests.docs.tables import api, kinds, numbers, rules_by_number
from tests.services.statements import Party
from trust import app
from trust.cli import failures
from trust.cli import run as trust
from trust.core.decay import STEPS, TABLE
from trust.core.lifecycle import ClaimState
from trust.services.startup_checks import Word
from trust.settings import write_seed

DAY_MS = 86_400_000
START_MS = 1_800_000_000_000


# -- what is made from the code


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_part_of_a_page_is_what_the_code_makes(name: str) -> None:
    assert all_parts()[name] == MAKERS[name](), "run: uv run python -m tests.docs"


def test_every_part_of_a_page_has_its_maker() -> None:
    assert set(all_parts()) == set(MAKERS)


def test_a_kind_is_taken_at_the_path_that_it_names() -> None:
    paths = api()["paths"]
    for name, kind in kinds().items():
        if kind.endpoint:
            about = paths[kind.endpoint]["post"]["requestBody"]["description"]
            patterns = about.removeprefix("A signed statement: ").split(", ")
            assert any(fnmatch(name, pattern) for pattern in patterns), name


def test_every_number_of_a_policy_stands_in_a_rule() -> None:
    assert set(numbers()) - set(rules_by_number()) == set()


def test_the_table_of_a_claims_states_has_each_of_them() -> None:
    table = read(DOCS / "rules.md").split("| state | entered by")[1].split("\n\n")[0]
    told = re.findall(r"`([a-z]+)`", "".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))
    known = {state for name, state in vars(ClaimState).items() if name.isupper()}
    assert sorted(told) == sorted(known)


# -- references


def test_a_reference_in_the_code_points_to_a_heading_that_there_is() -> None:
    texts = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sources()}
    assert len(texts) > 100
    faults = {path: [*dangling(text), *old(text)] for path, text in texts.items()}
    assert {path: found for path, found in faults.items() if found} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_refers_to_headings_rules_and_files_that_there_are(page: Path) -> None:
    text = read(page)
    assert dangling(text) == []
    assert set(re.findall(r"\b[RS][0-9]+\.[0-9]+\b", text)) - set(_rules()) == set()
    links = re.findall(r"\]\(([^)#]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_rules_are_numbered_in_order_and_each_once() -> None:
    for page in ("rules.md", "reputation.md"):
        found = [tuple(map(int, rule[1:].split("."))) for rule in _rules_of(page)]
        assert found == sorted(set(found))


def test_the_index_names_every_page() -> None:
    index = read(DOCS / "README.md")
    assert [
        page.name for page in DOCS.glob("*.md") if page.name != "README.md" and f"({page.name})" not in index
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_names_files_that_there_are(page: Path) -> None:
    named = re.findall(r"`((?:trust|tests|policies|docs|alembic)/[\w./*-]+)`", read(page))
    packages = "api|core|jobs|log|services|storage|verify"
    named += [f"trust/{name}" for name in re.findall(rf"`((?:{packages})/[\w/]+\.py)`", read(page))]
    assert [name for name in named if not list(ROOT.glob(name.rstrip("/")))] == []


def test_hooks_and_workflow_call_the_projects_own_tools_and_no_host() -> None:
    hooks, workflow = (
        read(ROOT / name) for name in (".pre-commit-config.yaml", ".github/workflows/checks.yml")
    )
    assert re.findall(r"^ *- repo: (.*)$", hooks, re.MULTILINE) == ["local"]
    entries = re.findall(r"^ *entry: (.*)$", hooks, re.MULTILINE)
    tools = {
        tool for command in STATIC.values() for tool in [f"uv run {' '.join(command).removesuffix(' .')}"]
    }
    assert {tool.replace(" --check", "") for tool in tools} - set(entries) == set()
    assert "      - run: .ci/run\n" in workflow
    assert "://" not in hooks + workflow


def test_the_readme_is_short() -> None:
    assert len(read(ROOT / "README.md").splitlines()) <= 170


def _rules() -> list[str]:
    return [rule for page in ("rules.md", "reputation.md") for rule in _rules_of(page)]


def _rules_of(page: str) -> list[str]:
    return re.findall(r"^- \*\*([RS][0-9]+\.[0-9]+)\*\*", read(DOCS / page), re.MULTILINE)


# -- examples, recomputed from the page without our code


def test_the_example_of_a_did() -> None:
    told = fields("example-did-key")
    assert i.public_key(bytes.fromhex(told["seed"])).hex() == told["public key"]
    assert told["multicodec"] == "ed01" + told["public key"]
    assert i.did(bytes.fromhex(told["public key"])) == told["did"]
    assert i.key_of(told["did"]).hex() == told["public key"]


def test_the_example_of_a_proof_of_work() -> None:
    told = fields("example-proof-of-work")
    assert json.loads(told["hashed"]) == f"trust/pow/v1\n{told['network']}\n{told['did']}\n{told['nonce']}"
    assert sha256(json.loads(told["hashed"]).encode()).hexdigest() == told["digest"]
    assert i.work_digest(told["network"], told["did"], told["nonce"]).hex() == told["digest"]
    assert i.zero_bits(bytes.fromhex(told["digest"])) == int(told["leading zero bits"]) >= 18


def test_the_example_of_a_claim() -> None:
    payload = example("example-claim-payload").rstrip("\n").encode()
    told, signed = fields("example-claim-signed"), json.loads(example("example-claim-envelope"))
    message = i.pae(payload)
    assert message.startswith(json.loads(told["signed bytes begin with"]).encode())
    assert (len(message), sha256(message).hexdigest()) == (
        int(told["signed bytes"]),
        told["SHA-256 of the signed bytes"],
    )
    assert i.statement_id(payload) == told["statement id"]
    seeds = [bytes.fromhex(told[f"{who}'s seed"]) for who in ("worker", "coordinator")]
    assert i.envelope(payload, *seeds) == signed
    assert i.verified_payload(signed) == json.loads(payload)


def test_the_examples_of_a_vote_and_of_items() -> None:
    told, judged = fields("example-vote-commitment"), fields("example-items-digest")
    salt = bytes.fromhex(told["salt"])
    commitment = i.commitment(
        told["network"], told["seat"], told["verifier"], told["verdict"], salt, told["items digest"]
    )
    assert commitment == told["commitment"]
    leaves = {number: i.leaf_hash(f"item {number}".encode()) for number in (2, 5)}
    assert {number: judged[f"leaf of the bytes item {number}"] for number in (2, 5)} == {
        number: leaf.hex() for number, leaf in leaves.items()
    }
    assert i.items_digest([(2, leaves[2], True), (5, leaves[5], False)]) == judged["items digest"]


def test_the_example_of_an_entry_and_its_receipt() -> None:
    data, told = example("example-entry").rstrip("\n").encode(), fields("example-entry-hashes")
    assert i.compact(json.loads(data)) == data
    assert (len(data), i.leaf_hash(data).hex()) == (int(told["bytes"]), told["leaf hash"])
    receipt, key = json.loads(example("example-receipt")), fields("example-log-key")
    assert i.unb64(receipt["entry"]) == data
    assert i.verified_receipt(receipt, key["vkey"]) == json.loads(data)
    zero, one = (bytes.fromhex(told[f"leaf hash of entry {number}"]) for number in (0, 1))
    root = i.node_hash(i.node_hash(zero, one), i.leaf_hash(data))
    assert root.hex() == key["root of 3 entries"]
    assert i.verified_checkpoint(example("example-checkpoint"), key["vkey"]) == (3, root)
    assert i.unb64(key["vkey"].split("+", 2)[2]) == b"\x01" + i.public_key(LOG)
    assert bytes.fromhex(key["log seed"]) == LOG


def test_the_example_of_an_id() -> None:
    told = fields("example-derived-id")
    command = told["command"].encode()
    assert i.derived_id(told["prefix"], command, int(told["index"]), int(told["serial"])) == told["id"]


def test_the_example_of_a_refusal() -> None:
    text = i.verified_note(example("example-refusal"), fields("example-log-key")["vkey"])
    header, network, statement, code, size, at_ms, root, end = text.split("\n")
    assert (header, code, size, end) == ("trust/refusal/v1", "unknown-task", "3", "")
    assert statement.startswith("sha256:")
    assert (network, int(at_ms)) == ("trust.example.org/docs", START_MS)
    assert i.unb64(root).hex() == fields("example-log-key")["root of 3 entries"]


def test_the_example_of_an_upload() -> None:
    told = fields("example-upload")
    assert sha256(told["bytes stored"].encode()).hexdigest() == told["digest"]
    header = i.upload(told["network"], bytes.fromhex(told["seed"]), told["digest"], int(told["until ms"]))
    assert header == told["trust upload"]


def _beta() -> bytes:
    told = fields("example-seed")
    alpha = i.seed_input(told["network"], told["claim"], int(told["round"]), told["output"])
    assert alpha.hex() == told["alpha"]
    return i.vrf_beta(i.key_of(told["draw key"]), alpha, bytes.fromhex(told["pi"]))


def test_the_examples_of_a_seed_and_its_stream() -> None:
    beta = _beta()
    assert beta.hex() == fields("example-seed")["beta"]
    told, stream = fields("example-stream"), i.Stream(beta, b"panel")
    numbers_told = [int(told[name]) for name in ("below 1 000 000", "then below 100", "then below 7")]
    assert [stream.below(n) for n in (1_000_000, 100, 7)] == numbers_told


def test_a_proof_that_was_changed_proves_nothing() -> None:
    told = fields("example-seed")
    pi = bytearray.fromhex(told["pi"])
    pi[40] ^= 1
    with pytest.raises(AssertionError):
        i.vrf_beta(i.key_of(told["draw key"]), bytes.fromhex(told["alpha"]), bytes(pi))


def test_the_example_of_a_sum_tree() -> None:
    told = fields("example-sum-tree")
    slots = [
        (agent, owner, int(weight))
        for agent, owner, weight in re.findall(r"(\w+) of (\w+): (\d+)", told["slots"])
    ]
    node = i.leaf_node(slots)
    assert (node.hex(), i.node_digest(node)) == (told["node"], told["root"])
    assert i.pool_slots(told["root"], {told["root"]: node}) == slots
    assert (len(slots), sum(weight for *_, weight in slots)) == (int(told["count"]), int(told["total"]))
    heavy = {owner: int(weight) for owner, weight in re.findall(r"(\w+): (\d+)", told["heavy"])}
    order = [agent for agent, *_ in i.picks(slots, heavy, i.Stream(_beta(), b"panel"))]
    assert order == told["order of the draw"].split(", ")


def test_the_example_of_a_batch() -> None:
    told, stream, drawn = fields("example-batch"), i.Stream(_beta(), b"panel"), set[int]()
    for last in range(20 - 6, 20):
        index = stream.below(last + 1)
        drawn.add(last if index in drawn else index)
    assert ", ".join(map(str, sorted(drawn))) == told["drawn"]
    own = [sorted(drawn)[place::3] for place in range(3)]
    shares = [sorted({*own[place], *own[(place + 1) % 3][:1]}) for place in range(3)]
    assert [
        list(map(int, re.findall(r"\d+", part.split(":")[1]))) for part in told["shares"].split(";")
    ] == shares
    assert _accept_count(1_000, 57, 0) == int(told["accept count for 1 000 57 0 ppm"])
    assert _accept_count(1_000, 57, 50) == int(told["accept count for 1 000 57 50 000 ppm"])
    assert 1_000_000 - _missed(1_000, 57, 50) == int(told["detection ppm for 1 000 57 0 50"])


def _accept_count(total: int, size: int, bad: int) -> int:
    """The least a with P(more than a bad ones in the sample) <= 1 %, by drawing item after item."""
    chances = [1] + [0] * size
    for taken in range(size):
        chances = [
            chances[count] * (total - bad - taken + count)
            + (chances[count - 1] * (bad - count + 1) if count else 0)
            for count in range(size + 1)
        ]
    whole = sum(chances)
    return next(a for a in range(size + 1) if 100 * sum(chances[a + 1 :]) <= whole)


def _missed(total: int, size: int, bad: int) -> int:
    """The probability that a sample holds none of the bad items, in ppm, rounded up."""
    misses, draws = 1, 1
    for taken in range(size):
        misses, draws = misses * (total - bad - taken), draws * (total - taken)
    return -(-misses * 1_000_000 // draws)


def test_why_a_claim_was_checked_at_39_percent() -> None:
    """The rate of rules.md 5.1 from the inputs that stand in the claim's entry."""
    told = fields("example-check-rate")
    inputs, rate = json.loads(told["inputs"]), json.loads(told["rate"])
    price, stake, priority = 200, 400, inputs["priority_ppm"]
    doubt = 250_000 + 1_350_000 * (10**6 - priority) // 10**6
    terms = {
        "floor_ppm": 50_000,
        "streak_ppm": 10**6 // inputs["streak"],
        "reputation_ppm": max(20_000, 100_000 * doubt // 10**6),
        "deterrence_ppm": price * 1_050_000 * 10**12 // (900_000 * (price * 10**6 + 10**6 * stake)) + 1,
    }
    assert rate == {"p_ppm": max(terms.values()), **terms}
    assert rate["p_ppm"] == 388_889


def test_the_examples_of_decay_and_of_a_row_of_scores() -> None:
    for name, value in fields("example-decay").items():
        assert i.growth(int(name.split()[2]) * DAY_MS, 0, 60 * DAY_MS) == int(value)
    told = fields("example-score-row")
    row = json.loads(told["row"])
    assert i.leaf_hash(told["row"].encode()).hex() == told["leaf hash"]
    sums = i.decode_sums(i.unb64(row["sums"]))
    assert sums == list(map(int, told["sums"].split(", ")))
    events = (("good", 4_000, 1), ("good", 800, 2), ("bad", 3_000, 10))
    made = [
        sum(
            weight * i.growth(days * DAY_MS, 0, life * DAY_MS)
            for kind, weight, days in events
            if kind == wanted
        )
        for life in (60, 14)
        for wanted in ("good", "bad", "failure")
    ]
    assert made == sums
    now = [i.growth(20 * DAY_MS, 0, life * DAY_MS) for life in (60, 14)]
    reading = [sums[0] // now[0], sums[1] // now[0], sums[3] // now[1], sums[4] // now[1]]
    assert reading == list(
        map(int, told["after 20 days, good slow, bad slow, good fast, bad fast"].split(", "))
    )
    good_slow, bad_slow, good_fast, bad_fast = (value / 1_000 for value in reading)
    slow, fast = (
        (4.5 + good_slow) / (5 + good_slow + bad_slow),
        (4.5 + good_fast) / (5 + good_fast + bad_fast),
    )
    assert int(told["expected ppm"]) == pytest.approx(1e6 * (0.3 * slow + 0.7 * fast), abs=2)
    behind = (4.5 + good_slow) / (5 + good_slow) - fast
    bounds = _lower(1 + good_slow, 1 + bad_slow), _lower(1 + good_slow, 1) - behind
    assert int(told["priority ppm"]) == pytest.approx(1e6 * max(0, min(bounds) - _lower(1, 1)), abs=2)


def _lower(a: float, b: float) -> float:
    n = a + b
    return (a - 1.28 * math.sqrt(a * b / (n + 1))) / n


@pytest.mark.parametrize("step", range(0, STEPS, 97))
def test_the_table_of_growth_is_the_exact_floor(step: int) -> None:
    assert i._root_of_two(step) == TABLE[step]


# -- a client that knows the documentation only


class Client:
    """Signs and sends with `independent` alone; every receipt is verified under the log's key."""

    def __init__(self, http: Any, vkey: str) -> None:
        self.http, self.vkey = http, vkey
        self.network = self.get("/v1/policy")["network"]

    def get(self, path: str) -> Any:
        answer = self.http.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, path: str, kind: str, seeds: list[bytes], **said: Any) -> dict[str, Any]:
        actor = i.did(i.public_key(seeds[0]))
        payload = i.statement(kind, self.network, actor, time.time_ns() // 1_000_000, **said)
        body = i.compact(i.envelope(payload, *seeds))
        answer = self.http.post(path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 201, answer.text
        written = answer.json()
        entry = i.verified_receipt(written["receipt"], self.vkey)
        assert i.unb64(entry["command"]["statement"]["payload"]) == payload
        assert written["statement"] == i.statement_id(payload)
        again = self.http.post(path, content=body, headers={"content-type": "application/json"})
        assert (again.status_code, again.json()["receipt"]["index"]) == (200, written["receipt"]["index"])
        return dict(written)

    def register(self, seed: bytes, **said: Any) -> str:
        agent = i.did(i.public_key(seed))
        bits = self.get("/v1/policy")["terms"]["registration"]["pow_bits"]
        self.send("/v1/agents", "agent.register", [seed], pow=i.find_nonce(self.network, agent, bits), **said)
        return agent

    def delivered(self, requester: bytes, worker: bytes, coordinator: bytes, relay: str) -> str:
        """Posts a task, claims it, and delivers an output; returns the claim."""
        spec, now_ms = sha256(b"review this").hexdigest(), time.time_ns() // 1_000_000
        task = {"task": "review-1", "task_kind": "code-review", "spec_sha256": spec, "price_units": 100}
        posted = self.send("/v1/tasks", "task.post", [requester], **task, deadline_ms=now_ms + 600_000)
        asked = {
            "task": "review-1",
            "task_index": posted["receipt"]["index"],
            "relay": relay,
            "stake_units": 200,
        }
        claim = str(
            self.send("/v1/claims", "claim.request", [worker, coordinator], **asked)["result"]["claim"]
        )
        digest = sha256(b"no findings").hexdigest()
        header = {"Trust-Upload": i.upload(self.network, worker, digest, now_ms + 600_000)}
        stored = self.http.put(f"/v1/blobs/{digest}", content=b"no findings", headers=header)
        assert stored.status_code == 201, stored.text
        artifacts = [{"name": "findings.txt", "sha256": digest, "size_bytes": 11}]
        self.send("/v1/outputs", "output.submit", [worker], claim=claim, artifacts=artifacts)
        assert self.get(f"/v1/claims/{claim}")["output"]["artifacts"] == artifacts
        return claim

    def vote(self, claim: str, verifiers: list[bytes]) -> None:
        """Every seat of the claim commits to `pass`, then reveals it."""
        seats = [
            (seed, each["seat"]) for seed in verifiers for each in self.seats(seed) if each["claim"] == claim
        ]
        for seed, seat in seats:
            verifier = i.did(i.public_key(seed))
            commitment = i.commitment(self.network, seat, verifier, "pass", sha256(seat.encode()).digest())
            self.send("/v1/votes", "vote.commit", [seed], seat=seat, commitment=commitment)
        for seed, seat in seats:
            salt = i.b64(sha256(seat.encode()).digest())
            self.send("/v1/votes", "vote.reveal", [seed], seat=seat, verdict="pass", salt=salt)

    def seats(self, seed: bytes) -> list[dict[str, Any]]:
        return list(self.get(f"/v1/agents/{i.did(i.public_key(seed))}/seats?state=open")["seats"])


def test_a_client_made_from_the_documentation_registers_posts_claims_and_delivers(
    tmp_path: Path, sqlite_url: str
) -> None:
    settings = settings_for(tmp_path, sqlite_url)
    vkey = found(settings, pow_bits=8)
    operator = Party("operator").seed
    alice, bob, coordinator = (bytes([number]) * 32 for number in (1, 2, 3))
    with client_of(app.build(settings)) as http:
        client = Client(http, vkey)
        accounts = [client.register(seed, capabilities=["code-review"]) for seed in (alice, bob)]
        for number, account in enumerate([*accounts, "operator/bond"]):
            said = {"account": account, "amount_units": 10_000, "reference": f"payment-{number}"}
            client.send("/v1/stakes", "stake.deposit", [operator], **said)
        group = {"name": "relay", "coordinators": [i.did(i.public_key(coordinator))], "threshold": 1}
        relay = client.send("/v1/admin", "relay.register", [operator, coordinator], **group)["result"][
            "relay"
        ]
        for number in (4, 5, 6):
            account = client.register(bytes([number]) * 32)
            said = {"account": account, "amount_units": 5_000, "reference": f"payment-{number}"}
            client.send("/v1/stakes", "stake.deposit", [operator], **said)
            offered = {"task_kinds": ["code-review"], "stake_units": 4_000}
            client.send("/v1/agents", "verifier.enroll", [bytes([number]) * 32], **offered)
        time.sleep(1.5)  # the pool is sealed within an epoch
        client.delivered(alice, bob, coordinator, relay)


def test_a_check_is_played_and_its_panel_recomputed_by_the_page_only(tmp_path: Path, sqlite_url: str) -> None:
    with house(tmp_path, sqlite_url) as town:
        town.settle_in(verifiers=9)
        client, worker = Client(town.client, town.vkey), town.workers[0].seed
        claim = client.delivered(town.requester.seed, worker, town.coordinator.seed, town.relay)
        town.wait(lambda: client.get(f"/v1/claims/{claim}")["rounds"])
        client.send("/v1/outputs", "output.open", [worker], claim=claim)
        client.vote(claim, [each.seed for each in town.verifiers])
        assert client.get(f"/v1/claims/{claim}")["state"] == "passing"
        bundle = client.get(f"/v1/claims/{claim}/bundle")
    seated, seats, alternates = i.recomputed_panel(bundle, town.vkey, lambda slot: True)
    assert seats == [agent for _, agent, _ in seated["seats"]]
    assert alternates == [agent for agent, _ in seated["alternates"]]
    assert len(seats) == 3
    bundle["claim"] = "clm_" + "a" * 26
    with pytest.raises(AssertionError):
        i.recomputed_panel(bundle, town.vkey, lambda slot: True)


def test_a_backup_is_restored_as_the_page_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    live, backup, exported, restored = (
        tmp_path / name for name in ("live", "backup", "exported", "restored")
    )
    settings = settings_for(live, "")
    vkey = found(settings)
    _seeds(live)
    page = read(DOCS / "operating.md").split("## 3. Restore a backup")[1].split("## 4.")[0]
    commands = re.findall(r"^ +((?:cp|trust log) .*)$", page, re.MULTILINE)
    assert [command.split()[0] for command in commands] == ["cp", "cp", "trust", "trust", "trust"]
    assert trust(["backup", str(backup), "--data", str(live)]) == failures.GOOD
    with client_of(app.build(settings)) as http:
        Client(http, vkey).register(bytes(32))
    assert trust(["log", "export", str(exported), "--data", str(live), "--vkey", vkey]) == failures.GOOD
    names = {
        "BACKUP": backup,
        "NEWEST-HEAD": live / "head",
        "RESTORED": restored,
        "COPY": exported,
        "log.vkey": vkey,
    }
    results = []
    for command in commands:
        done = [
            next((str(to) + word[len(name) :] for name, to in names.items() if word.startswith(name)), word)
            for word in command.split()
        ]
        if done[0] == "cp":
            subprocess.run(done, check=True)
        else:
            results.append(trust([*done[1:], *(() if "--vkey" in done else ("--vkey", vkey))]))
    assert results == [failures.FALSE, failures.GOOD, failures.GOOD]
    word = Word(take_over=True, seen=[live / "head"])
    with client_of(app.build(settings_for(restored, ""), word)) as http:
        assert Client(http, vkey).get("/v1/stats")["size"] >= 2
    assert "good" in capsys.readouterr().out


def _seeds(live: Path) -> None:
    for name in ("log", "draw"):
        write_seed(live / f"{name}.key", Party(name).seed)
