"""Postings: every transfer sums to zero, an account that ends as it began is left out, shares round as they say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trust.core import ledger
from trust.core.records import Account
from trust.core.state import MemoryState

accounts = st.sampled_from(["external", "burn", "agent/a/free", "agent/b/free", "task/t/escrow"])
amounts = st.integers(0, 2**53 - 1)
transfers = st.lists(st.tuples(accounts, accounts, amounts), max_size=12)


@given(transfers)
def test_postings_sum_to_zero_and_name_each_account_once(moves: list[ledger.Transfer]) -> None:
    net = ledger.postings(moves)
    assert sum(units for _, units in net) == 0
    assert len({account for account, _ in net}) == len(net)
    assert all(units for _, units in net)


@given(transfers)
def test_postings_are_what_the_transfers_come_to(moves: list[ledger.Transfer]) -> None:
    balances: dict[str, int] = {}
    for source, target, units in moves:
        balances[source] = balances.get(source, 0) - units
        balances[target] = balances.get(target, 0) + units
    assert dict(ledger.postings(moves)) == {account: units for account, units in balances.items() if units}


@given(transfers)
def test_nothing_moves_where_everything_comes_back(moves: list[ledger.Transfer]) -> None:
    back = [(target, source, units) for source, target, units in moves]
    assert ledger.postings([*moves, *back]) == ()


@given(amounts, st.integers(0, 1_000_000))
def test_a_share_and_its_rounding_up_lie_around_the_exact_one(amount: int, ppm: int) -> None:
    down, up = ledger.share(amount, ppm), ledger.share_up(amount, ppm)
    assert down * 1_000_000 <= amount * ppm <= up * 1_000_000
    assert up - down <= 1
    assert 0 <= down <= up <= amount


def test_an_account_that_nobody_used_is_empty() -> None:
    state = MemoryState()
    assert ledger.balance(state, "burn") == 0
    state.put_all([Account(id="burn", balance_units=7)])
    assert ledger.balance(state, "burn") == 7
