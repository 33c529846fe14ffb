"""C2SP tlog-policy: what a policy says, what is none, and when a quorum is there."""

from __future__ import annotations

import json
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.witnesses import note_of, two_of_three, witness
from tests.shared import VECTORS, need
from trust.log.note import COSIGNATURE_V1, NoteError, Signer, Verifier, add_signatures, parse_note
from trust.log.quorum import (
    MAX_WITNESSES,
    PolicyError,
    Quorum,
    QuorumMissing,
    cosignatures_of,
    lines_of,
    open_with_quorum,
    parse_quorum,
)

LOG = Signer("log.example/main", bytes(range(32)))
KEYS = {label: str(witness(label).verifier) for label in "abcdef"}
NESTED = [
    *(f"witness {label} {KEYS[label]}" for label in "abcdef"),
    "group xs 2 a b c",
    "group ys any d e f",
    "group both all xs ys",
    "quorum both",
]


def met(quorum: Quorum, labels: str) -> bool:
    return quorum.is_met({each.key for each in quorum.witnesses if each.label in labels})


def test_a_quorum_of_groups_holds_exactly_where_its_members_do() -> None:
    quorum = parse_quorum(NESTED)
    for count in range(7):
        for labels in map("".join, combinations("abcdef", count)):
            expected = sum(x in labels for x in "abc") >= 2 and any(y in labels for y in "def")
            assert met(quorum, labels) is expected, labels


def test_one_witness_alone_and_none_at_all_can_be_a_quorum() -> None:
    lone = parse_quorum([f"witness a {KEYS['a']} https://a.example", "quorum a"])
    assert (met(lone, "a"), met(lone, ""), lone.witnesses[0].url) == (True, False, "https://a.example")
    assert met(parse_quorum(["quorum none"]), "")


def published(number: int) -> list[str]:
    """A policy of others, its keys as the type that cosigns: they predate it, and so do comments behind a line."""
    text = need(VECTORS / "transparency-dev_formats" / "witness_policies.json").read_text()
    lines = []
    for line in json.loads(text)["policies"][number].splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["witness"] and len(words) > 2:
            old = Verifier.parse(words[2])
            words[2] = str(Verifier(old.name, old.public_key, COSIGNATURE_V1))
        lines.append(" ".join(words))
    return lines


def test_published_policies_are_read_whatever_their_white_space_and_comments() -> None:
    plain, spaced = (parse_quorum(published(number)) for number in (0, 1))
    assert plain == spaced
    assert [each.label for each in plain.witnesses] == ["w1", "w2"]
    assert [each.url for each in plain.witnesses] == [
        "https://sigsum.org/witness/",
        "https://example.com/witness/",
    ]
    assert [met(plain, each) for each in ("w1 w2", "w1", "w2")] == [True, False, False]


@pytest.mark.parametrize("number", [2, 3, 4, 5])
def test_published_policies_with_one_key_under_two_names_are_refused(number: int) -> None:
    with pytest.raises(PolicyError, match="its key is that of another witness"):
        parse_quorum(published(number))


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], "no line `quorum`"),
        ([""], "no line `quorum`"),
        (["quorum a"], "not defined"),
        (["quorum none", "quorum none"], "not a line"),
        (["quorum"], "not a line"),
        (["Quorum none"], "not a line"),
        ([f"witness a {KEYS['a']} url more", "quorum a"], "not a line"),
        ([f"witness a {LOG.verifier}", "quorum a"], "0x04"),
        (["witness a key", "quorum a"], "not a note key"),
        (["log key", "quorum none"], "not a note key"),
        ([f"witness none {KEYS['a']}", "quorum none"], "defined twice"),
        ([f"witness a {KEYS['a']}", f"witness a {KEYS['b']}", "quorum a"], "defined twice"),
        ([f"witness a {KEYS['a']}", f"witness b {KEYS['a']}", "quorum a"], "another witness"),
        ([*NESTED[:6], "group x 1 a", "group y 1 a", "quorum x"], "may be a member once"),
        ([*NESTED[:6], "group x 2 a a", "quorum x"], "may be a member once"),
        ([*NESTED[:6], "group x 1 none", "quorum x"], "none"),
        ([*NESTED[:6], "group x 1 y", "quorum x"], "not defined"),
        ([*NESTED[:6], "group x any", "quorum x"], "not a line"),
        (["group x any x", "quorum x"], "not defined"),
        *(
            ([*NESTED[:6], f"group x {threshold} a b", "quorum x"], "no threshold")
            for threshold in ("0", "3", "-1", "1.0", "most", "\u0661", "1" * 5_000)
        ),
        (["#"] * 257, "at most"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused_with_the_reason(lines: list[str], why: str) -> None:
    with pytest.raises(PolicyError, match=why):
        parse_quorum(lines)


@pytest.mark.parametrize("name", ["a#1", "#", "a\u00a0b", "\u2003", "\u212a", "a\u0085b", "b\u2028"])
def test_only_spaces_and_tabs_part_words_and_a_comment_is_a_whole_line(name: str) -> None:
    if not name.startswith("#"):
        quorum = parse_quorum(lines_of(f" \t# a comment\n\twitness  {name}\t{KEYS['a']} \nquorum {name}\n"))
        assert [witness.label for witness in quorum.witnesses] == [name]
    with pytest.raises(PolicyError, match="not a line"):
        parse_quorum([f"witness a {KEYS['a']} # comment", "quorum a"])


@pytest.mark.parametrize("character", ["\x0b", "\x0c", "\r", "\0", "\x1c", "\x7f"])
def test_no_other_control_character_stands_in_a_policy(character: str) -> None:
    for line in (f"witness{character}a {KEYS['a']}", f"#{character}", character):
        with pytest.raises(PolicyError, match="control character"):
            parse_quorum([line, "quorum none"])


def test_there_are_at_most_sixteen_witnesses() -> None:
    lines = [f"witness w{number} {witness(f'w{number}').verifier}" for number in range(MAX_WITNESSES + 1)]
    assert len(parse_quorum([*lines[1:], "quorum w1"]).witnesses) == MAX_WITNESSES
    with pytest.raises(PolicyError, match="more than 16"):
        parse_quorum([*lines, "quorum w1"])


@given(st.lists(st.text(max_size=60) | st.sampled_from(NESTED), max_size=12))
def test_any_lines_are_a_policy_or_a_policy_error(lines: list[str]) -> None:
    try:
        parse_quorum(lines)
    except PolicyError:
        return


# -- notes

QUORUM = parse_quorum(two_of_three())


def note(labels: list[str]) -> bytes:
    return note_of(LOG, 7, bytes(32), two_of_three(), 50, labels).encode()


def test_a_note_with_the_quorum_opens_and_names_who_cosigned() -> None:
    checkpoint, cosigned = open_with_quorum(note(["w2", "w3"]), LOG.verifier, QUORUM)
    assert checkpoint.size == 7
    assert QUORUM.summary(cosigned) == "2 of 3 witnesses: w2, w3"
    assert [line.time_s for line in cosigned] == [50, 50]
    with pytest.raises(QuorumMissing, match="1 of 3 witnesses: w2"):
        open_with_quorum(note(["w2"]), LOG.verifier, QUORUM)


def test_a_bad_line_of_a_witness_counts_as_missing_and_spoils_nothing() -> None:
    bad = add_signatures(note(["w1", "w2"]), [witness("w3").sign("another text\n", 5)])
    _, cosigned = open_with_quorum(bad, LOG.verifier, QUORUM)
    assert QUORUM.summary(cosigned) == "2 of 3 witnesses: w1, w2"
    text, lines = parse_note(note(["w1"]))
    twice = f"{text}\n{''.join(map(str, [*lines, *lines]))}".encode()
    assert len(cosignatures_of(twice, QUORUM)) == 1


def test_witnesses_do_not_stand_in_for_the_log() -> None:
    with pytest.raises(NoteError):
        open_with_quorum(note(["w1", "w2"]), Signer(LOG.name, bytes(32)).verifier, QUORUM)
    with pytest.raises(NoteError):
        open_with_quorum(note(["w1", "w2"]), Verifier("log.example/other", LOG.verifier.public_key), QUORUM)
