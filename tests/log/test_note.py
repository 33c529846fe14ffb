"""Signed notes, their keys and cosignatures."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log.trees import flipped
from tests.shared import VECTORS, need
from trust.log import ed25519
from trust.log.note import (
    COSIGNATURE_V1,
    MAX_NOTE_BYTES,
    NoteError,
    Signature,
    Signer,
    Verifier,
    add_signatures,
    decode_base64,
    encode_base64,
    open_note,
    parse_note,
    sign_note,
)

LOG = Signer("log.example/main", bytes(range(32)))
WITNESS = Signer("witness.example/w1", bytes(range(1, 33)), COSIGNATURE_V1)
OTHER = Signer("other.example", bytes(range(2, 34)))
TEXT = "log.example/main\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Z", "C"], exclude_characters="+"), min_size=1
)
LINES = st.text(st.characters(codec="utf-8", min_codepoint=32))


@pytest.fixture(scope="module")
def go() -> dict[str, Any]:
    return dict(json.loads(need(VECTORS / "golang_mod" / "note_cases.json").read_text()))


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    return dict(json.loads(need(VECTORS / "C2SP_C2SP" / "spec_examples.json").read_text()))


@pytest.fixture(scope="module")
def formats() -> dict[str, Any]:
    return dict(json.loads(need(VECTORS / "transparency-dev_formats" / "cosignature_keys.json").read_text()))


def test_the_go_note_is_signed_to_the_byte(go: dict[str, Any]) -> None:
    case = go["signing"]
    signer = Signer.parse(case["skey"])
    assert (signer.skey(), str(signer.verifier)) == (case["skey"], case["vkey"])
    assert sign_note(case["text"], signer) == case["signed_note"].encode()


def test_the_go_notes_open_or_are_refused_as_there(go: dict[str, Any]) -> None:
    def ids(signatures: tuple[Signature, ...]) -> list[str]:
        return [f"{signature.name}+{signature.key_id.hex()}" for signature in signatures]

    assert len(go["open"]) == 12
    for case in go["open"]:
        verifiers = [Verifier.parse(vkey) for vkey in case["vkeys"]]
        if case["result"].startswith("error"):
            with pytest.raises(NoteError):
                open_note(case["note"].encode(), verifiers)
            continue
        opened = open_note(case["note"].encode(), verifiers)
        assert ids(opened.verified) == case["verified"]
        assert case.get("unverified") in (None, ids(opened.unverified))
    with pytest.raises(NoteError, match="UTF-8"):
        open_note(b"\xff" + go["signing"]["signed_note"].encode(), [Verifier.parse(go["signing"]["vkey"])])


def test_the_go_verifier_key_is_refused_with_anything_missing_or_changed(go: dict[str, Any]) -> None:
    vkey = go["signing"]["vkey"]
    parts = {vkey[at:end] for at in range(len(vkey)) for end in range(at, len(vkey) + 1)} - {vkey}
    bumped = {vkey[:at] + chr(ord(vkey[at]) + 1) + vkey[at + 1 :] for at in range(len(vkey))}
    for bad in [*go["bad_vkeys"], *parts, *bumped]:
        with pytest.raises(NoteError):
            Verifier.parse(bad)


def test_the_note_of_the_spec_opens(spec: dict[str, Any]) -> None:
    case = spec["signed_note"]
    opened = open_note(case["note"].encode(), [Verifier.parse(case["vkey"])])
    assert opened.text == "This is an example message.\n"


def test_published_keys_parse_with_the_ids_that_the_specification_gives(formats: dict[str, Any]) -> None:
    for case in formats["vkeys_ok"]:
        if case["type"] in (1, 4):
            verifier = Verifier.parse(case["vkey"])
            assert (verifier.key_type, str(verifier)) == (case["type"], case["vkey"])
        else:  # its id is none that the specification gives; with the one that it does, it parses
            with pytest.raises(NoteError, match="has the id 31236897, not '5893dc2c'"):
                Verifier.parse(case["vkey"])
            right = case["vkey"].replace("5893dc2c", "31236897")
            assert str(Verifier.parse(right)) == right


def test_a_published_cosignature_holds_its_time_before_the_signature(formats: dict[str, Any]) -> None:
    case = formats["cosignature_timestamp"]
    line = Signature.parse(f"— witness.example {case['base64']}")
    assert int.from_bytes(line.blob[:8], "big") == case["timestamp"]
    assert len(line.blob) == 8 + ed25519.SIGNATURE_BYTES
    bare = Signature.parse(f"— witness.example {formats['not_a_cosignature_base64']}")
    with pytest.raises(NoteError, match="does not verify"):
        WITNESS.verifier.check(TEXT, bare)


def test_a_cosignature_signs_the_message_of_the_spec(spec: dict[str, Any]) -> None:
    text = parse_note(spec["cosigned_checkpoint"].encode())[0]
    line = WITNESS.sign(text, 1_679_315_147)
    message = spec["cosignature_v1_message"].encode()
    assert line.blob[:8] == (1_679_315_147).to_bytes(8, "big")
    assert line.blob[8:] == ed25519.sign(WITNESS.seed, message)


@settings(max_examples=60, deadline=None)
@given(
    NAMES,
    st.binary(min_size=32, max_size=32),
    st.sampled_from([1, 4]),
    st.lists(LINES),
    st.integers(0, 2**63 - 1),
)
def test_every_key_and_note_reads_back(
    name: str, seed: bytes, key_type: int, lines: list[str], time_s: int
) -> None:
    signer = Signer(name, seed, key_type)
    assert Signer.parse(signer.skey()) == signer
    assert Verifier.parse(str(signer.verifier)) == signer.verifier
    text = "".join(f"{line}\n" for line in ["", *lines])
    opened = open_note(sign_note(text, signer, time_s=time_s), [signer.verifier])
    assert (opened.text, opened.unverified) == (text, ())
    assert opened.verified[0].time_s == (time_s if key_type == COSIGNATURE_V1 else None)


@pytest.mark.parametrize("signer", [LOG, WITNESS])
def test_a_note_with_any_bit_flipped_is_refused(signer: Signer) -> None:
    note = sign_note(TEXT, signer, time_s=1_700_000_000)
    for bit in range(8 * len(note)):
        with pytest.raises(NoteError):
            open_note(flipped(note, bit), [signer.verifier])


def test_an_ed25519_key_and_a_cosignature_key_never_verify_for_each_other() -> None:
    twin = Signer(LOG.name, LOG.seed, COSIGNATURE_V1)
    assert twin.verifier.key_id != LOG.verifier.key_id
    with pytest.raises(NoteError, match="no known key"):
        open_note(sign_note(TEXT, LOG), [twin.verifier])
    # Not even where the id is forged: what is signed differs.
    forged = Signature(LOG.name, LOG.verifier.key_id, twin.sign(TEXT, 1).blob)
    with pytest.raises(NoteError, match="does not verify"):
        LOG.verifier.check(TEXT, forged)


def test_a_bad_line_of_a_known_key_refuses_a_note_that_another_key_signed() -> None:
    bad = Signature(WITNESS.name, WITNESS.verifier.key_id, WITNESS.sign("other\n", 5).blob)
    note = add_signatures(sign_note(TEXT, LOG), [bad])
    assert open_note(note, [LOG.verifier]).unverified == (bad,)
    with pytest.raises(NoteError, match=WITNESS.name):
        open_note(note, [LOG.verifier, WITNESS.verifier])


def test_only_the_first_line_of_a_key_counts() -> None:
    line, other = LOG.sign(TEXT), Signature(OTHER.name, OTHER.verifier.key_id, b"x")
    bad = Signature(LOG.name, LOG.verifier.key_id, bytes(64))
    lines = [line, other, bad, other, line]
    opened = open_note(f"{TEXT}\n{''.join(map(str, lines))}".encode(), [LOG.verifier])
    assert (opened.verified, opened.unverified) == ((line,), (other,))
    with pytest.raises(NoteError):
        open_note(f"{TEXT}\n{bad}{line}".encode(), [LOG.verifier])


def test_cosignatures_are_added_once_a_key() -> None:
    note = sign_note(TEXT, LOG)
    cosigned = add_signatures(note, [WITNESS.sign(TEXT, 7), LOG.sign(TEXT), WITNESS.sign(TEXT, 8)])
    assert cosigned == note + str(WITNESS.sign(TEXT, 7)).encode()
    opened = open_note(cosigned, [LOG.verifier, WITNESS.verifier])
    assert [line.time_s for line in opened.verified] == [None, 7]


def test_at_most_a_hundred_signatures_and_a_mebibyte() -> None:
    lines = [Signature(f"key{number}", bytes(4), b"x") for number in range(100)]
    note = add_signatures(sign_note(TEXT, LOG), lines[:99])
    assert len(open_note(note, [LOG.verifier]).unverified) == 99
    with pytest.raises(NoteError, match="1 to 100"):
        add_signatures(note, lines)
    with pytest.raises(NoteError, match="more than 100"):
        parse_note(note + str(lines[99]).encode())
    with pytest.raises(NoteError, match="1 to 100"):
        sign_note(TEXT)
    with pytest.raises(NoteError, match="longer"):
        sign_note("x" * MAX_NOTE_BYTES + "\n", LOG)
    with pytest.raises(NoteError, match="longer"):
        parse_note(bytes(MAX_NOTE_BYTES + 1))


@pytest.mark.parametrize("text", ["", "no newline", "a\rb\n", "a\tb\n", "a\0\n", "\ud800\n"])
def test_a_text_that_no_note_may_have_is_not_signed(text: str) -> None:
    with pytest.raises(NoteError):
        sign_note(text, LOG)


def test_a_text_may_end_in_empty_lines_and_hold_what_looks_like_signatures() -> None:
    for text in ("\n", "\n\n\n", f"{TEXT}\n{LOG.sign(TEXT)}", f"a\n\n{LOG.sign(TEXT)}\n"):
        assert open_note(sign_note(text, OTHER), [OTHER.verifier]).text == text


@pytest.mark.parametrize(
    "line",
    [
        "- log.example AAAAAAA=",
        "—log.example AAAAAAA=",
        "— log.example",
        "— log.example ",
        "—  AAAAAAA=",
        "— log.example  AAAAAAA=",
        "— log.example AAAAAAA= ",
        "— log+example AAAAAAA=",
        "— log\N{NO-BREAK SPACE}example AAAAAAA=",
        "— log.example AAAAAA==",
        "— log.example AAAAAAA",
        "— log.example AAAAAAB=",
        "— log.example AAAAAA-=",
        "— log.example AAAAA\N{LATIN SMALL LETTER E WITH ACUTE}A=",
        "",
    ],
)
def test_a_malformed_signature_line_is_refused(line: str) -> None:
    with pytest.raises(NoteError):
        Signature.parse(line)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\N{EN SPACE}b", "a\nb", "a\0", "\udc80"])
def test_a_bad_key_name_is_refused(name: str) -> None:
    with pytest.raises(NoteError, match="key name"):
        Signer(name, bytes(32))


def test_a_key_that_is_no_point_or_of_the_wrong_length_is_refused() -> None:
    for key in (bytes(32), b"\x01" + bytes(31), b"\xff" * 32, LOG.verifier.public_key + b"\0", b""):
        with pytest.raises(NoteError, match="not an Ed25519 public key"):
            Verifier("log.example", key)
    with pytest.raises(NoteError, match="seed"):
        Signer("log.example", bytes(31))
    with pytest.raises(NoteError, match="not supported"):
        Verifier("log.example", LOG.verifier.public_key, 2)


def test_a_private_key_with_another_id_or_prefix_is_refused_and_never_printed() -> None:
    skey = LOG.skey()
    for bad in (skey.removeprefix("PRIVATE+KEY+"), skey.replace(LOG.verifier.key_id.hex(), "00000000"), ""):
        with pytest.raises(NoteError):
            Signer.parse(bad)
    assert "seed" not in repr(LOG)


@pytest.mark.parametrize("time_s", [None, -1, 2**63])
def test_a_cosignature_without_a_proper_time_is_not_made(time_s: int | None) -> None:
    with pytest.raises(NoteError, match="time"):
        WITNESS.sign(TEXT, time_s)


def test_a_cosignature_with_a_time_of_2_to_the_63_is_refused() -> None:
    time_s = 2**63
    blob = ed25519.sign(WITNESS.seed, f"cosignature/v1\ntime {time_s}\n{TEXT}".encode())
    line = Signature(WITNESS.name, WITNESS.verifier.key_id, time_s.to_bytes(8, "big") + blob)
    with pytest.raises(NoteError, match="does not verify"):
        WITNESS.verifier.check(TEXT, line)


def test_two_known_keys_with_one_name_and_id_are_the_callers_mistake() -> None:
    clash = Verifier(LOG.name, OTHER.verifier.public_key)
    object.__setattr__(clash, "key_id", LOG.verifier.key_id)
    with pytest.raises(NoteError, match="two known keys"):
        open_note(sign_note(TEXT, LOG), [LOG.verifier, clash])
    assert open_note(sign_note(TEXT, LOG), [LOG.verifier, LOG.verifier]).text == TEXT


@given(st.binary())
def test_base64_reads_back(raw: bytes) -> None:
    assert encode_base64(raw) == b64encode(raw).decode()
    assert decode_base64(encode_base64(raw)) == raw


@pytest.mark.parametrize("text", ["AB==", "AA=", "AA", "A", "AAAA\n", " AAAA", "AA==AA==", "AA_-", "\ud800"])
def test_base64_in_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 the codec's own words differ
        decode_base64(text)
