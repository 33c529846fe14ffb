"""`trust treasury`: money in and out beside a payment system, cut off between any two steps, and the books of it."""

from __future__ import annotations

import csv
import io
import json
import shlex
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.house import House, house
from tests.cli.served import serving
from tests.forking import Forked
from tests.programs.cut_off import CODE, STEPS, sawn
from tests.services.statements import Party
from trust.cli import run
from trust.cli.failures import CANNOT_CHECK, FALSE, GOOD, USAGE
from trust.client import ServiceError, Treasurer, TrustClient
from trust.client.transports import Transport
from trust.client.wire import Request, Response
from trust.core import payloads
from trust.programs.command import Limits
from trust.programs.paying import NotPaid, Order, Paid, by_command
from trust.programs.treasury import Notice, Owed, Spool, Treasury, booked_under
from trust.settings import write_seed

SHORT = (
    "draw_ms",
    "open_ms",
    "commit_ms",
    "reveal_ms",
    "challenge_ms",
    "evidence_ms",
    "lease_ms",
    "min_lease_ms",
)
TERMS: dict[str, Any] = dict.fromkeys(SHORT, 100) | {"unbonding_ms": 1_800, "payout_ms": 60_000_000}
CLERK = Party("clerk")
MATURED, MANY = 34, 8


class Bank:
    """A payment system: pays an order once by its key, and notices when the same key comes with another order."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.asked = 0
        self.answers: list[Paid | Exception] = []

    def pay(self, order: Order) -> Paid:
        self.asked += 1
        assert self.orders.setdefault(order.idempotency_key, order) == order
        answer = self.answers.pop(0) if self.answers else Paid("paid")
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A service in this process on which a treasurer was appointed, and withdrawals mature at once."""
    directory = tmp_path_factory.mktemp("house")
    with house(directory, f"sqlite:///{directory / 'trust.db'}", **TERMS) as home:
        home.settle_in(verifiers=0)
        home.done("/v1/agents", home.register(CLERK))
        grant = home.say(payloads.RoleGrant, home.operator, party=CLERK.did, role="treasurer")
        home.done("/v1/admin", grant)
        home.all_done(
            home.say(payloads.StakeWithdraw, home.workers[0], amount_units=3, reference=f"wire-{n}")
            for n in range(MATURED)
        )
        home.done("/v1/stakes", home.say(payloads.StakeWithdraw, home.workers[0], amount_units=3))
        home.wait(lambda: not any(each["state"] == "unbonding" for each in listed(home)))
        yield home


@pytest.fixture
def client(town: House) -> TrustClient:
    return TrustClient("http://testserver.local", town.vkey, transport=town.client._transport)


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture
def spool(tmp_path: Path, town: House) -> Spool:
    """A treasury's directory that has seen what other tests withdrew."""
    spool = Spool(tmp_path / "spool")
    spool.seen = town.get("/v1/stats")["size"] - 1
    return spool


class Told(list[tuple[str, dict[str, Any]]]):
    """What a treasury says."""

    def __call__(self, did: str, **facts: Any) -> None:
        self.append((did, facts))

    def of(self, did: str) -> list[dict[str, Any]]:
        return [facts for each, facts in self if each == did]


def treasury(
    client: TrustClient, spool: Spool, told: Told, bank: Bank | None, pay_ms: int = 1_000
) -> Treasury:
    treasurer: Treasurer[Transport] = Treasurer(client, CLERK.seed)
    return Treasury(client, treasurer, spool, told, bank.pay if bank else None, pay_ms)


def listed(town: House) -> list[dict[str, Any]]:
    """The withdrawals of the first worker, the newest first."""
    found: list[dict[str, Any]] = town.get(f"/v1/agents/{town.workers[0].did}/ledger")["withdrawals"]
    return found


def state(town: House, withdrawal: str) -> str:
    return str(next(each["state"] for each in listed(town) if each["withdrawal"] == withdrawal))


def owed(town: House, spool: Spool, count: int = 1, *, named: bool = True) -> list[dict[str, Any]]:
    """Withdrawals that have matured and nobody has paid, as a treasury has written them down."""
    open_ones = [each for each in listed(town) if each["state"] == "payable"]
    found = (each for each in open_ones if bool(each["reference"]) == named)
    taken = [
        each for each in found if not town.get("/v1/search", q=each["reference"] or "none", limit=1)["found"]
    ]
    taken = taken[:count]
    assert len(taken) == count
    for each in taken:
        facts = each["withdrawal"], town.workers[0].did, each["amount_units"], each["matures_ms"]
        spool.keep(Owed(*facts, each["reference"] or ""))
    return taken


def free_units(town: House, party: Party) -> int:
    return int(town.get(f"/v1/agents/{party.did}")["balances"]["free_units"])


class Killed(BaseException):
    """The power is cut."""


class Saw:
    """Cuts a program off before or after the step of a number; counts the steps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bank: Bank) -> None:
        self.left = -1
        for owner, name in (*STEPS, (bank, "pay")):
            monkeypatch.setattr(owner, name, sawn(getattr(owner, name), self._tick))

    def _tick(self) -> None:
        if threading.current_thread() is threading.main_thread():  # the service's own go on
            self.left -= 1
            if self.left == 0:
                raise Killed


def test_cut_off_between_any_two_steps_each_payment_counts_once_on_both_sides(
    town: House, client: TrustClient, spool: Spool, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look gets one step further than the one before, until one is through."""
    saw, told = Saw(monkeypatch, bank), Told()
    before = free_units(town, town.requester)
    spool.seen = listed(town)[MANY]["index"]
    waiting = [each["withdrawal"] for each in listed(town)[1:MANY]]  # the newest names no payment
    for number in range(MANY):
        spool.give(Notice(f"in-{number}", town.requester.did, 7))
    for cut in range(1, 100):
        saw.left = cut
        try:
            treasury(client, spool, told, bank).look()
        except Killed:
            continue
        break
    saw.left = -1
    assert cut > 15
    assert {state(town, each) for each in waiting} == {"paid"}
    assert bank.orders.keys() == set(waiting)
    assert {each.amount_units for each in bank.orders.values()} == {3}
    assert bank.asked > len(waiting)
    assert any(each["repeated"] for each in told.of("booked"))
    assert free_units(town, town.requester) - before == MANY * 7
    assert not list((spool.folder / "in").iterdir())
    assert len(spool.owed()) == 1


def test_a_reference_that_came_with_other_terms_is_for_a_person(
    town: House, client: TrustClient, spool: Spool
) -> None:
    told = Told()
    for units in (5, 5, 6):
        spool.give(Notice("Invoice 7/2026", town.requester.did, units))
        treasury(client, spool, told, None).look()
    booked, again = told.of("booked")
    assert (booked["repeated"], again["repeated"]) == (False, True)
    assert booked["entry"] == again["entry"]
    assert booked["reference"] == booked_under("Invoice 7/2026")
    (refused,) = told.of("refused")
    assert str(booked["entry"]) in refused["why"]
    assert [path.name for path in (spool.folder / "refused").iterdir()] == [refused["notice"]]


@pytest.mark.parametrize(
    "said",
    [
        b"", b"[]", b'{"reference":"a","account":"x y","amount_units":1}', b'{"reference":"a","account":"b"}',
        b'{"reference":"","account":"@anna","amount_units":1}',
        b'{"reference":"a","account":"@anna","amount_units":-1}',
        b'{"reference":"a","account":"@anna","amount_units":1.5}', b" " * 5_000, b"\xff",
    ],
)  # fmt: skip
def test_what_is_no_notice_is_put_aside_and_does_not_hold_up_the_others(
    town: House, client: TrustClient, spool: Spool, said: bytes
) -> None:
    told = Told()
    (spool.folder / "in" / "a.json").write_bytes(said)
    (spool.folder / "in" / ".b.json").write_bytes(b"half of a no")
    spool.give(Notice("stranger", Party("stranger").did, 1))
    spool.give(Notice(f"good-{len(said)}-{said[-9:].hex()}", town.requester.did, 1))
    treasury(client, spool, told, None).look()
    assert [each for each, _ in told] == ["refused", "booked", "waits"]
    assert [path.name for path in (spool.folder / "refused").iterdir()] == ["a.json"]


def test_a_payment_that_fails_or_is_under_way_is_asked_for_again_in_the_same_words(
    town: House, client: TrustClient, spool: Spool, bank: Bank
) -> None:
    bank.answers = [NotPaid("the line is dead"), Paid("pending"), Paid("paid")]
    withdrawal, told = owed(town, spool)[0]["withdrawal"], Told()
    for looks in range(3):
        treasury(client, spool, told, bank).look()
        assert state(town, withdrawal) == ("paid" if looks == 2 else "payable")
    patient = treasury(client, spool, told, bank)
    owed(town, spool)
    bank.answers = [NotPaid("no")] * 2
    patient.look()
    patient.look()
    assert bank.asked == 4  # it was left alone for a second
    assert len(told.of("not-paid")) == 2


def test_what_names_no_payment_or_may_be_taken_back_by_now_is_not_paid(
    town: House, client: TrustClient, spool: Spool, bank: Bank
) -> None:
    told = Told()
    owed(town, spool, named=False)
    owed(town, spool)
    treasury(client, spool, told, bank, pay_ms=60_000_000).look()
    assert len(told.of("by-hand")) == 2
    assert bank.asked == 0


def test_a_withdrawal_that_names_the_payment_of_another_is_not_paid(
    town: House, client: TrustClient, spool: Spool, bank: Bank
) -> None:
    """It would be paid and never booked, and its owner would take it back beside that."""
    told, named = Told(), owed(town, spool)[0]["reference"]
    clerk: Treasurer[Transport] = Treasurer(client, CLERK.seed)
    clerk.deposit(town.requester.did, 1, named)
    treasury(client, spool, told, bank).look()
    assert [each["why"] for each in told.of("by-hand")] == [
        "its payment is booked for something else already"
    ]
    assert bank.asked == 0


def test_of_a_withdrawal_that_a_slash_took_a_part_of_the_rest_is_paid_and_a_later_slash_is_told(
    town: House, client: TrustClient, spool: Spool, bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, taken = Told(), owed(town, spool)[0]["withdrawal"]
    slashed = {"balances": {"unbonding_units": 20}, "unbonding_lost_units": 10}
    monkeypatch.setattr(client, "agent", lambda _: slashed)
    treasury(client, spool, told, bank).look()
    assert bank.orders[taken].amount_units == 2
    assert told.of("differs")[0]["booked_units"] == 3  # the log knows of no slash here


def test_a_command_is_paid_by_what_it_prints_and_by_nothing_else(tmp_path: Path) -> None:
    script = tmp_path / "pay.py"
    script.write_text(
        "import json, sys\norder = json.load(sys.stdin)\n"
        "print(json.dumps({'state': 'paid' if order['amount_units'] == 5 else order['reference']}))\n"
    )
    pay = by_command([sys.executable, "-I", "-S", str(script)], Limits(seconds=20))

    def order(units: int, reference: str) -> Order:
        named = {"idempotency_key": "k", "withdrawal": "w", "agent": "a"}
        return Order(amount_units=units, reference=reference, **named)

    assert pay(order(5, "r")) == Paid("paid")
    assert pay(order(4, "pending")) == Paid("pending")
    for reference in ("perhaps", "", "x" * 100_000):
        with pytest.raises(NotPaid):
            pay(order(4, reference))


@pytest.fixture
def reach(town: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """The town behind a port, with a file for each key."""

    def handle(request: Request) -> Response:
        headers = {"content-type": "application/json"} if request.body else {}
        said: httpx.Response = town.client.request(
            request.method, request.path, content=request.body, headers=headers
        )
        kept = {name: value for name, value in said.headers.items() if name in ("content-type", "trust-size")}
        return Response(said.status_code, said.content, kept)

    for name, party in {"clerk": CLERK, "operator": town.operator, "worker": town.workers[0]}.items():
        write_seed(tmp_path / f"{name}.key", party.seed)
    monkeypatch.chdir(tmp_path)
    with serving(handle) as url:
        monkeypatch.setenv("TRUST_URL", url)
        monkeypatch.setenv("TRUST_VKEY", town.vkey)
        yield town


def shown(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_by_the_command_line_a_treasurer_is_appointed_books_and_pays_what_has_matured(
    reach: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = reach.get("/v1/stats")["size"]
    did = reach.workers[1].did
    assert run(["treasury", "appoint", did, "--key", "clerk.key"]) == FALSE
    assert run(["treasury", "appoint", did, "--key", "operator.key"]) == GOOD
    assert reach.get(f"/v1/agents/{did}")["roles"] == ["agent", "treasurer"]
    assert run(["treasury", "dismiss", did, "--key", "operator.key"]) == GOOD
    assert reach.get(f"/v1/agents/{did}")["roles"] == ["agent"]
    notice = ["treasury", "notice", reach.requester.did, "11", "--spool", "spool", "--reference"]
    assert run([*notice, "transfer-11"]) == GOOD
    assert run([*notice, "transfer-11"]) == GOOD
    assert run([*notice[:3], "12", *notice[4:], "transfer-11"]) == CANNOT_CHECK
    assert run(["treasury", "notice", "nobody at all", *notice[3:], "transfer-12"]) == USAGE
    paid, by_hand = owed(reach, Spool(tmp_path / "spool"), 2)
    script = tmp_path / "pay.py"
    script.write_text('import json\nprint(json.dumps({"state": "paid"}))\n')
    pay = shlex.join([sys.executable, "-I", "-S", str(script)])
    treasury = ["treasury", "run", "--spool", "spool", "--exec", pay, "--once", "--key"]
    assert run([*treasury, "operator.key"]) == CANNOT_CHECK
    assert "one of its own" in capsys.readouterr().err
    payout = ["stake", "payout", by_hand["withdrawal"], "--reference", by_hand["reference"]]
    payout += ["--key", "clerk.key", "--json"]
    assert run(payout) == GOOD
    first = shown(capsys)
    assert run(payout) == GOOD
    assert (shown(capsys)["entry"], first["repeated"]) == (first["entry"], False)
    bond = ["stake", "withdraw", "5", "--bond", "--json", "--key"]
    assert run([*bond, "worker.key"]) == FALSE
    assert "not-operator" in capsys.readouterr().err
    held = reach.get("/v1/stats")["operator_bond_units"]
    assert run([*bond, "operator.key"]) == GOOD
    its_own = shown(capsys)["withdrawal"]
    sums = reach.get("/v1/stats")
    assert (sums["operator_bond_units"], sums["operator_unbonding_units"]) == (held - 5, 5)
    Spool(tmp_path / "spool").seen = start - 1
    assert run([*treasury, "clerk.key"]) == GOOD
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"booked", "paid", "ended"} <= {each["did"] for each in said}
    assert {state(reach, each["withdrawal"]) for each in (paid, by_hand)} == {"paid"}
    assert its_own not in {each.withdrawal for each in Spool(tmp_path / "spool").owed()}


BANK = """
import json, sys
from pathlib import Path
order, books = sys.stdin.read(), Path(sys.argv[1])
paid = books / json.loads(order)["idempotency_key"]
if paid.exists() and paid.read_text() != order: raise SystemExit("the same key with another order")
paid.write_text(order)
with (books / "asked").open("a") as asked: asked.write(".")
print(json.dumps({"state": "paid"}))
"""


def killed_at(reach: House, folder: Path, steps: Iterable[int], many: int) -> int:
    """Has a treasury process killed with -9 at each of these steps, one start after the other, until one comes through;
    returns how many were killed. Each payment counts once on both sides."""
    spool, books, before = Spool(folder / "spool"), folder / "books", free_units(reach, reach.requester)
    spool.seen = reach.get("/v1/stats")["size"] - 1
    books.mkdir()
    (folder / "bank.py").write_text(BANK)
    for number in range(many):
        spool.give(Notice(f"{folder.name}-{number}".lower(), reach.requester.did, 7))
    waiting = [each["withdrawal"] for each in owed(reach, spool, many)]
    pay = shlex.join([sys.executable, "-I", "-S", str(folder / "bank.py"), str(books)])
    asked = ["treasury", "run", "--spool", "spool", "--exec", pay, "--once", "--key", "clerk.key"]
    codes = []
    for step in (*steps, 10_000):
        codes.append(Forked(CODE, [str(step), *asked], folder).wait(60))
        if codes[-1] != -signal.SIGKILL:
            break
    assert codes[-1] == GOOD
    assert {state(reach, each) for each in waiting} == {"paid"}
    assert {path.name for path in books.iterdir()} == {*waiting, "asked"}
    assert free_units(reach, reach.requester) - before == many * 7
    assert not list((spool.folder / "in").iterdir())
    assert not spool.owed()
    assert not list((spool.folder / "refused").iterdir())
    return len(codes) - 1


def test_killed_with_9_as_a_process_a_treasury_goes_on_where_it_was(reach: House, tmp_path: Path) -> None:
    assert killed_at(reach, tmp_path, (2, 8, 12), many=2) == 3


@pytest.mark.slow
def test_killed_with_9_as_a_process_at_each_step_each_payment_counts_once(
    reach: House, tmp_path: Path
) -> None:
    """Each start gets one step further than the one before, until one is through."""
    assert killed_at(reach, tmp_path, range(1, 200), many=8) > 15
    assert len((tmp_path / "books" / "asked").read_text()) >= 8


def test_an_agent_that_is_watched_is_told_of_its_matured_money_once_and_of_its_payment(
    reach: House, client: TrustClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = ["agent", "watch", reach.workers[0].did, "--state", "seen.json", "--once"]
    assert run([*watch, "--webhook", "https://example.org"]) == USAGE
    assert run([*watch, "--json"]) == GOOD
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    matured = {each["withdrawal"] for each in listed(reach) if each["state"] == "payable"}
    assert {each["facts"]["withdrawal"] for each in told if each["kind"] == "payout.matured"} == matured
    assert run(watch) == GOOD
    assert capsys.readouterr().out == ""
    clerk: Treasurer[Transport] = Treasurer(client, CLERK.seed)
    paid = owed(reach, Spool(tmp_path))[0]
    clerk.pay_out(paid["withdrawal"], paid["reference"])
    for expected in (f"{paid['withdrawal']} is booked as paid\n", ""):
        assert run(watch) == GOOD
        assert capsys.readouterr().out == expected


def test_the_books_of_a_period_sum_to_the_ledger_and_the_csv_to_its_closing_balance(
    reach: House, client: TrustClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clerk: Treasurer[Transport] = Treasurer(client, CLERK.seed)
    begin = clerk.deposit(reach.requester.did, 20, "booked-1").index
    with pytest.raises(ServiceError, match="reference-booked"):
        clerk.deposit(reach.requester.did, 21, "booked-1")
    paid = owed(reach, Spool(tmp_path))[0]
    clerk.pay_out(paid["withdrawal"], paid["reference"])
    end = clerk.deposit(reach.workers[1].did, 1, "later").index
    place = reach.database.url.removeprefix("sqlite:///")
    report = ["treasury", "report", place, "--from", str(begin), "--to", str(end)]
    assert run([*report, "--json"]) == GOOD
    books = shown(capsys)
    assert [(each["reference"], each["units"]) for each in books["deposits"]] == [("booked-1", 20)]
    (payout,) = books["payouts"]
    assert (payout["reference"], payout["units"]) == (paid["reference"], 3)
    assert payout["withdrawal"] == paid["withdrawal"]
    assert (books["opening"]["size"], books["closing"]["size"]) == (begin, end)
    assert books["closing"]["held_units"] == books["opening"]["held_units"] + 17
    assert books["closing"]["owed_units"] == sum(books["closing"]["accounts"].values())
    assert run([*report, "--csv"]) == GOOD
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    units = [int(row["units"]) for row in rows if row["line"] in ("opening", "deposit", "payout")]
    assert sum(units) == next(int(row["units"]) for row in rows if row["line"] == "closing")
    assert run(["treasury", "report", place, "--from", "2020-01-01", "--json"]) == GOOD
    whole = shown(capsys)
    assert whole["opening"]["held_units"] == 0
    assert whole["closing"]["size"] == whole["log_size"]
    sums = reach.get("/v1/stats")
    assert whole["closing"]["held_units"] == -sums["external_units"]
    assert whole["closing"]["accounts"]["agent/free"] == sums["agents_free_units"]
    assert run(["treasury", "report", place, "--from", "1000000"]) == CANNOT_CHECK
    assert run(["treasury", "report", place, "--from", "yesterday"]) == USAGE
