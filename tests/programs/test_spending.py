"""What a key spends in a day is bounded, whoever asks and however often."""

from __future__ import annotations

from pathlib import Path

import pytest

from trust.errors import ClientError, Unusable
from trust.programs.owner import Allowance, Rules, read_rules
from trust.programs.products import Product, Products
from trust.programs.spending import DAY_MS, SpendingBook


def test_a_days_total_holds_for_all_who_share_the_file_and_ends_with_the_day(tmp_path: Path) -> None:
    now = [1_000]
    books = [SpendingBook(tmp_path / "spent.json", 100, lambda: now[0]) for _ in range(2)]
    books[0].book("one", 60)
    with pytest.raises(ClientError, match="beyond-limits"):
        books[1].book("two", 41)
    books[1].book("three", 40)
    assert books[0].left_units() == 0
    now[0] += DAY_MS
    assert books[1].left_units() == 100


def test_an_amount_below_nothing_gives_no_room(tmp_path: Path) -> None:
    book = SpendingBook(tmp_path / "spent.json", 100, lambda: 0)
    with pytest.raises(ClientError, match="beyond-limits"):
        book.book("a gift", -1)
    assert book.left_units() == 100


def test_nothing_is_spent_while_what_was_spent_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "spent.json"
    path.write_text("{")
    with pytest.raises(Unusable):
        SpendingBook(path, 100, lambda: 0).book("one", 1)


def test_without_a_file_a_model_may_spend_nothing_while_a_program_may(tmp_path: Path) -> None:
    assert read_rules(None, Allowance).most_stake_units == 0
    assert read_rules(None, Allowance).most_per_day_units == 0
    assert read_rules(None) == Rules()


@pytest.mark.parametrize("claim", ["../../etc/passwd", "clm_", "", "clm_" + "a" * 25 + "/"])
def test_what_is_no_claim_names_no_file(tmp_path: Path, claim: str) -> None:
    with pytest.raises(ClientError, match="malformed"):
        Products(tmp_path / "products").keep(claim, Product({}))
    assert not list(tmp_path.rglob("*.product"))
