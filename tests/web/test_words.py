"""Values in words: amounts, spans, accounts, ids, and agents by their handles."""

from __future__ import annotations

import pytest

from trust.web.words import Names, account, brief, moment, sentence, share, signed, span, time, units

ANN = "did:key:z6MkAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAnnAnn"
TWIN = "did:key:z6MkBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBAnnAnn"
BOB = "did:key:z6MkCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCBobBob"
NOBODY = Names((), {})


def test_a_sentence_calls_agents_by_their_handles() -> None:
    names = Names([ANN, BOB], {ANN: "ann", BOB: ""})
    assert (
        names.with_handles("..AnnAnn pays ..BobBob/free, not seat_..AnnAnn")
        == "@ann pays ..BobBob/free, not seat_..AnnAnn"
    )
    assert (names[ANN], names[BOB]) == ("@ann", "")


def test_a_key_that_was_made_to_end_alike_takes_nobodys_handle() -> None:
    for registered in ({ANN: "ann", TWIN: "bank"}, {ANN: "ann", TWIN: ""}, {ANN: "ann"}):
        assert Names([ANN, TWIN], registered).with_handles("..AnnAnn pays") == "..AnnAnn pays"


def test_who_is_not_registered_has_no_page() -> None:
    names = Names([ANN, BOB], {ANN: "ann"})
    assert ANN in names
    assert BOB not in names


def test_amounts_have_their_thousands_apart_and_changes_a_sign() -> None:
    space = "\N{NARROW NO-BREAK SPACE}"
    assert units(1_234_567) == f"1{space}234{space}567"
    assert (signed(5), signed(-1_000), signed(0)) == ("+5", f"\N{MINUS SIGN}1{space}000", "+0")


@pytest.mark.parametrize(
    ("ms", "said"),
    [(0, "0 ms"), (999, "999 ms"), (1_500, "1 s 500 ms"), (5_400_000, "1 h 30 min"), (86_400_000, "1 d")],
)
def test_a_span_is_said_in_its_two_largest_parts(ms: int, said: str) -> None:
    assert span(ms) == said


@pytest.mark.parametrize("at_ms", [-1, 2**53 - 1, 10**30])
def test_a_time_that_no_calendar_has_stays_a_number(at_ms: int) -> None:
    assert moment(at_ms) == time(at_ms) == f"{at_ms} ms"


def test_a_sentence_has_times_and_no_amount_is_taken_for_one() -> None:
    told = sentence("1795966436423 units lie there until 1795966436423.", NOBODY)
    assert told == "1795966436423 units lie there until 2026-11-29 15:33:56 UTC."
    assert len(sentence("x" * 5_000, NOBODY)) < 700


def test_an_account_says_whose_it_is() -> None:
    assert account(f"agent/{ANN}/free") == ("free money", ANN, "")
    assert account(f"verifier/{ANN}/stake") == ("verifier stake", ANN, "")
    assert account("task/review/escrow") == ("task review: escrow", "", "/tasks/review")
    assert account("burn").words == "burnt"


def test_an_id_is_shortened_to_its_end() -> None:
    assert brief("clm_" + "a" * 20 + "bcdefg") == "clm_..bcdefg"
    assert brief(ANN) == "..AnnAnn"
    assert brief("f" * 64) == "..ffffff"
    assert brief("a task") == "a task"


def test_no_line_breaks_before_a_percent_sign() -> None:
    assert share(200_000) == "20.00\N{NO-BREAK SPACE}%"
