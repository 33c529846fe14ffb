"""The body of add-checkpoint: read exactly as C2SP tlog-witness has it, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.witness.logs import AskingLog
from trust.log.note import encode_base64
from trust.log.submission import MAX_BODY_BYTES, Malformed, Submission

HASH = encode_base64(bytes(32)).encode()
SPEC = """old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
""".encode()  # noqa: E501  the example of the specification


def test_the_specifications_example_is_read_and_written_to_the_byte() -> None:
    parsed = Submission.parse(SPEC)
    assert (parsed.old, len(parsed.proof)) == (20_852_014, 4)
    assert parsed.note.startswith(b"example.com/behind-the-sofa\n20852163\n")
    assert parsed.encode() == SPEC


def test_a_first_submission_has_no_proof() -> None:
    parsed = Submission.parse(AskingLog().body(0, 5))
    assert (parsed.old, parsed.proof) == (0, ())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old 1",
        b"old 1\n",
        b"old 1\norigin\n1\n",
        b"\n\norigin",
        b"new 1\n\nnote",
        b"old\n\nnote",
        b"old  1\n\nnote",
        b"old 1 \n\nnote",
        b"old 01\n\nnote",
        b"old -1\n\nnote",
        b"old +1\n\nnote",
        b"old 1_0\n\nnote",
        "old ١\n\nnote".encode(),
        b"old 9223372036854775808\n\nnote",
        b"old 99999999999999999999\n\nnote",
        b"old " + b"9" * 60_000 + b"\n\nnote",
        b"old 1\r\n\r\nnote",
        b"old 1\n" + HASH + b"\r\n\nnote",
        b"old 1\n" + HASH[:-1] + b"\n\nnote",
        b"old 1\n" + HASH[:-2] + b"B=\n\nnote",
        b"old 1\n" + HASH + b" \n\nnote",
        b"old 1\nAAAA\n\nnote",
        b"old 1\n\xff\n\nnote",
        b"old 1\n" + (HASH + b"\n") * 64 + b"\nnote",
        b"old 1\n" + b"\n" * MAX_BODY_BYTES,
    ],
)
def test_a_body_that_is_anything_else_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed):
        Submission.parse(body)


def test_sixty_three_lines_of_proof_are_the_most() -> None:
    assert len(Submission.parse(b"old 1\n" + (HASH + b"\n") * 63 + b"\nnote").proof) == 63


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: b"old 5\n" + tail))
def test_any_bytes_are_a_submission_or_malformed(body: bytes) -> None:
    try:
        assert Submission.parse(body).encode() == body
    except Malformed:
        return
