"""With witnesses, nobody can know a draw before a quorum has seen the output: the gate of every draw."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from tests.core.flows import Scene, scene
from tests.core.network import ORIGIN, Who
from tests.core.terms import policy_of, policy_text
from tests.core.witnesses import note_of, root_of, two_of_three, witness
from trust.core.payloads import KeyAdopt, PolicyAdopt
from trust.core.policy import InvalidPolicy, dangers, parse
from trust.core.records import Claim
from trust.core.rules.draws import claimed_root, cosigned_times_s
from trust.log.checkpoint import Checkpoint
from trust.log.note import Signer, add_signatures, sign_note

LINES = two_of_three()
POLICY = policy_of(quorum=LINES)
LOG = Signer(ORIGIN, Who("log").seed)


@pytest.fixture
def town() -> Scene:
    return scene(POLICY)


def note(town: Scene, **changes: Any) -> str:
    """The cosigned checkpoint of the log as it is, but for what is changed."""
    entries = town.net.entries
    said = {
        "log": LOG,
        "size": len(entries),
        "root": root_of(entries),
        "lines": LINES,
        "time_s": 1,
        **changes,
    }
    return note_of(**said)


def refuse(town: Scene, claim: str, checkpoint: str, why: str) -> None:
    draw = msgspec.structs.replace(town.net.draw_of(claim), checkpoint=checkpoint)
    assert why in town.net.refused("bad-draw", draw).detail


def test_a_draw_waits_for_the_quorum_and_then_stands_with_its_checkpoint(town: Scene) -> None:
    claim = town.submitted()
    refuse(town, claim, "", "waits for a checkpoint")
    refuse(town, claim, note(town, labels=["w2"]), "1 of 3 witnesses: w2")
    refuse(town, claim, note(town, labels=[]), "0 of 3 witnesses: nobody")
    checkpoint = note(town, labels=["w3", "w1"])
    town.net.do(msgspec.structs.replace(town.net.draw_of(claim), checkpoint=checkpoint))
    assert town.state(claim) in ("checking", "unchecked")
    data = town.net.entries[-1].data
    assert json.dumps(json.loads(data), separators=(",", ":"), ensure_ascii=False).encode() == data


def test_the_checkpoint_covers_the_output_and_nothing_that_is_not_there_yet(town: Scene) -> None:
    claim = town.submitted()
    output = town.net.get(Claim, claim).output_index
    before = root_of(town.net.entries[:output])
    refuse(town, claim, note(town, size=output, root=before), f"what it is for is entry {output}")
    refuse(town, claim, note(town, size=len(town.net.entries) + 1), "checkpoint of")
    covering = note(town, size=output + 1, root=root_of(town.net.entries[: output + 1]))
    town.net.do(msgspec.structs.replace(town.net.draw_of(claim), checkpoint=covering))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"log": Signer(ORIGIN, b"\1" * 32)}, "did not sign the checkpoint"),
        ({"log": Signer("trust.example.org/other", LOG.seed)}, "did not sign the checkpoint"),
        ({"lines": two_of_three(labels=("v1", "v2", "v3"))}, "neither the log's nor a witness's"),
    ],
)
def test_a_checkpoint_of_another_log_key_origin_or_witness_opens_no_gate(
    town: Scene, changes: dict[str, Any], why: str
) -> None:
    refuse(town, town.submitted(), note(town, **changes), why)


def test_a_cosignature_over_another_note_and_a_line_too_many_open_no_gate(town: Scene) -> None:
    claim = town.submitted()
    good = note(town, labels=["w1"]).encode()
    stolen = add_signatures(good, [witness("w2").sign("another text\n", 1)])
    refuse(town, claim, stolen.decode(), "does not verify")
    stranger = add_signatures(note(town).encode(), [witness("w4").sign("x\n", 1)])
    refuse(town, claim, stranger.decode(), "neither the log's nor a witness's")
    again = note(town)
    refuse(town, claim, again + again.splitlines(keepends=True)[-1], "neither the log's nor a witness's")
    body = Checkpoint(ORIGIN, len(town.net.entries), root_of(town.net.entries), ("more",)).body()
    extended = add_signatures(sign_note(body, LOG), [witness(each).sign(body, 1) for each in ("w1", "w2")])
    refuse(town, claim, extended.decode(), "neither the log's nor a witness's")
    refuse(town, claim, "no note", "text and signatures")
    foreign = Checkpoint("trust.example.org/other", len(town.net.entries), b"\1" * 32).body()
    signed = add_signatures(
        sign_note(foreign, LOG), [witness(each).sign(foreign, 1) for each in ("w1", "w2")]
    )
    refuse(town, claim, signed.decode(), "is of 'trust.example.org/other'")


def test_after_a_rotation_the_log_has_signed_a_checkpoint_with_the_key_for_its_size(town: Scene) -> None:
    net, claim, new = town.net, town.submitted(), Who("next log")
    earlier = note(town)
    net.say(KeyAdopt, net.operator, net.log, new, use="log", key=new.did)
    last, too_early = note(town), note(town, log=Signer(ORIGIN, new.seed))
    refuse(town, claim, too_early, "did not sign the checkpoint")
    net.join("another")
    refuse(town, claim, note(town), "did not sign the checkpoint")
    for checkpoint in (earlier, last, note(town, log=Signer(ORIGIN, new.seed))):
        town.fork().net.do(msgspec.structs.replace(net.draw_of(claim), checkpoint=checkpoint))


def test_a_task_keeps_the_witnesses_of_the_policy_that_it_pinned(town: Scene) -> None:
    net = town.net
    claim = town.submitted()
    toml = policy_text(quorum=[])
    net.say(PolicyAdopt, net.operator, toml=toml, effective_ms=net.now_ms + 6_000)
    net.tick(6_000)
    refuse(town, claim, "", "waits for a checkpoint")
    town.net.draw(claim)
    free = town.submitted("t2")
    refuse(town, free, note(town), "carries no checkpoint")
    net.draw(free)


def test_without_a_checkpoint_in_time_the_claim_is_voided_and_the_stake_comes_back(town: Scene) -> None:
    claim = town.submitted()
    before = town.net.free(town.worker)
    town.net.tick(POLICY.windows.draw_ms)
    assert town.state(claim) == "voided"
    assert town.task_state() == "closed"
    assert town.net.free(town.worker) == before + 150


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (["quorum none"], "names no witness"),
        (["witness w1 nothing", "quorum w1"], "not a note key"),
        ([f"witness w1 {LOG.verifier}", "quorum w1"], "0x04"),
        (["quorum w1"], "not defined"),
        ([LINES[0]], "no line `quorum`"),
        ([*LINES, "quorum most"], "not a line"),
        ([LINES[0], LINES[0].replace("w1", "w2", 1), "quorum w1"], "that of another witness"),
        (two_of_three("4"), "no threshold"),
    ],
)
def test_a_policy_whose_quorum_says_nothing_or_too_much_may_not_be_adopted(
    lines: list[str], why: str
) -> None:
    [reason] = dangers(policy_of(quorum=lines))
    assert why in reason


def test_a_policys_lines_are_bounded() -> None:
    for lines in (["#" * 2_049], ["#"] * 25, ["witness w\u00e9"]):
        with pytest.raises(InvalidPolicy):
            parse(policy_text(quorum=lines))


def test_what_the_audit_needs_of_a_draws_checkpoint_can_be_read_back(town: Scene) -> None:
    checkpoint = note(town, labels=["w1", "w3"], time_s=77)
    assert claimed_root(checkpoint) == (len(town.net.entries), root_of(town.net.entries))
    assert cosigned_times_s(checkpoint) == {witness(label).name: 77 for label in ("w1", "w3")}
