"""A reader that remembers the last checkpoint: it follows a log that grows, and shouts on a fork or a rollback."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.audit.networks import signer
from tests.javascript.logs import KEY, Tree
from tests.javascript.node import Node
from trust.log.note import Signer
from trust.verify.failures import NotProven
from trust.verify.files import verify_file
from trust.verify.forks import Convicted, Fork

LEAVES = [b"entry %d" % number for number in range(40)]
Json = dict[str, Any]


def forked(at: int, size: int) -> Tree:
    """The same log with another entry at a place."""
    return Tree([*LEAVES[:at], b"another", *LEAVES[at + 1 : size]])


def seen(
    node: Node,
    trees: list[Tree | str],
    proofs: dict[str, list[bytes]] | None = None,
    held: Json | None = None,
) -> tuple[list[Json], Json]:
    """The reports about the checkpoints of these trees, and what is kept; "forget" forgets."""
    notes = [tree if isinstance(tree, str) else tree.checkpoint().decode() for tree in trees]
    told = {name: [step.hex() for step in path] for name, path in (proofs or {}).items()}
    answer = node.watch(str(KEY), {}, notes, told, held or {})
    return answer["told"], answer["held"]


def test_a_log_that_grows_is_followed(node: Node) -> None:
    trees: list[Tree | str] = [Tree(LEAVES[:size]) for size in (5, 5, 8, 11, 40)]
    proofs = {f"{a}-{b}": Tree(LEAVES[:b]).from_size(a) for a, b in ((5, 8), (8, 11), (11, 40))}
    told, held = seen(node, trees, proofs)
    assert [each["facts"]["state"] for each in told] == ["first", "same", "grown", "grown", "grown"]
    again, _ = seen(node, [Tree(LEAVES)], held=held)
    assert again[0]["facts"]["state"] == "same"


def test_two_trees_of_one_size_are_a_fork_and_the_evidence_convicts(node: Node) -> None:
    told, _ = seen(node, [Tree(LEAVES[:9]), forked(4, 9)])
    assert (told[1]["verdict"], told[1]["alarm"]["state"]) == ("refused", "fork")
    evidence = told[1]["alarm"]["evidence"].encode()
    assert isinstance(verify_file(evidence, KEY), Convicted)
    report = node.verifyFile(evidence, str(KEY))
    assert (report["kind"], report["verdict"], report["facts"]["size"]) == ("fork", "proven", 9)


def test_a_larger_tree_that_does_not_begin_with_the_one_seen_is_a_fork_and_its_own_proof_convicts(
    node: Node,
) -> None:
    other = forked(4, 30)
    told, _ = seen(node, [Tree(LEAVES[:9]), other], {"9-30": other.from_size(9)})
    assert told[1]["alarm"]["state"] == "fork"
    convicted = verify_file(told[1]["alarm"]["evidence"].encode(), KEY)
    assert isinstance(convicted, Convicted)
    assert (convicted.size, convicted.other) == (9, forked(4, 9).root)
    assert node.verifyFile(told[1]["alarm"]["evidence"], str(KEY))["ok"]


def test_a_proof_that_leads_nowhere_is_a_fork_with_both_notes_kept(node: Node) -> None:
    for path in ([], [bytes(32)] * 5, Tree(LEAVES[:30]).from_size(9)[:-1]):
        told, _ = seen(node, [Tree(LEAVES[:9]), forked(4, 30)], {"9-30": path})
        alarm = told[1]["alarm"]
        assert (alarm["state"], alarm["evidence"], len(alarm["notes"])) == ("fork", "", 2)


def test_a_smaller_tree_is_a_rollback(node: Node) -> None:
    told, _ = seen(node, [Tree(LEAVES[:9]), Tree(LEAVES[:8])])
    assert (told[1]["alarm"]["state"], told[1]["alarm"]["message"]) == (
        "rollback",
        "ROLLBACK: 9 entries before, 8 now",
    )


def test_an_alarm_stands_until_the_reader_forgets_it_whatever_the_log_shows_then(node: Node) -> None:
    good = Tree(LEAVES[:9])
    told, held = seen(node, [good, forked(4, 9), good])
    assert told[2]["verdict"] == "refused"
    assert told[2]["alarm"] == told[1]["alarm"]
    again, _ = seen(node, [good], held=held)
    assert again[0]["alarm"]["state"] == "fork"
    after, _ = seen(node, ["forget", good], held=held)
    assert after[0]["facts"]["state"] == "first"


def test_a_service_that_does_not_answer_is_no_fork_and_what_was_seen_stays(node: Node) -> None:
    told, held = seen(node, [Tree(LEAVES[:9]), Tree(LEAVES[:30])])
    assert (told[1]["verdict"], told[1]["alarm"]) == ("unknown", None)
    again, _ = seen(node, [Tree(LEAVES[:8])], held=held)
    assert again[0]["alarm"]["state"] == "rollback"


def test_a_checkpoint_that_the_log_did_not_sign_changes_nothing(node: Node) -> None:
    stranger = forked(4, 9).checkpoint(Signer(signer().name, bytes(32))).decode()
    told, held = seen(node, [Tree(LEAVES[:9]), stranger, Tree(LEAVES[:9])])
    assert (told[1]["verdict"], told[1]["alarm"]) == ("refused", None)
    assert told[2]["facts"]["state"] == "same"
    assert Tree(LEAVES[:9]).checkpoint().decode() in str(held).replace("\\\\n", "\n").replace("\\n", "\n")


def test_evidence_that_proves_no_fork_is_refused(node: Node) -> None:
    small, large = Tree(LEAVES[:9]), Tree(LEAVES[:30])
    one, other = small.checkpoint(), large.checkpoint()
    for fork in (
        Fork.of(one, one),
        Fork.of(one, other),
        Fork.of(one, other, small.root, tuple(large.from_size(9))),
        Fork.of(one, other, forked(4, 9).root, tuple(large.from_size(9))),
        Fork.of(one, forked(4, 9).checkpoint(Signer(signer().name, bytes(32)))),
    ):
        assert node.verifyFile(fork.encode(), str(KEY))["verdict"] == "refused"
        with pytest.raises(NotProven):
            verify_file(fork.encode(), KEY)


def test_every_consistency_proof_of_small_trees_holds_and_none_of_other_sizes(node: Node) -> None:
    trees = {size: Tree(LEAVES[:size]) for size in range(1, 18)}
    calls = [
        (a, trees[a].root, b, trees[b].root, trees[b].from_size(a)) for b in trees for a in trees if a <= b
    ]
    assert node.each("verifyConsistency", calls) == [None] * len(calls)
    false = [(a, forked(0, a).root, b, root, path) for a, _, b, root, path in calls]
    assert all(answer["refused"] for answer in node.each("verifyConsistency", false))
    short = [(a, old, b, root, path[:-1]) for a, old, b, root, path in calls if path]
    assert all(answer["refused"] for answer in node.each("verifyConsistency", short))


@pytest.mark.parametrize("honest", [True, False])
def test_a_page_that_was_slower_than_another_cries_no_rollback_but_sees_a_fork(
    node: Node, honest: bool
) -> None:
    mine, others = Tree(LEAVES[:20]) if honest else forked(15, 20), Tree(LEAVES[:30])
    trees = {"9-20": mine.from_size(9), "9-30": others.from_size(9), "20-30": others.from_size(20)}
    proofs = {name: [step.hex() for step in path] for name, path in trees.items()}
    notes = [tree.checkpoint().decode() for tree in (Tree(LEAVES[:9]), mine, others)]
    told = node.race(str(KEY), *notes, proofs)
    assert told["other"]["facts"]["state"] == "grown"
    held = json.loads(told["held"])
    assert held["note"] == notes[2]
    if honest:
        assert (told["mine"]["facts"]["state"], held["alarm"]) == ("older", None)
    else:
        assert told["mine"]["alarm"]["state"] == held["alarm"]["state"] == "fork"
