"""A network's witnesses come from a file of C2SP tlog-policy, and stand in its genesis."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.core.witnesses import two_of_three
from trust.cli import run
from trust.cli.failures import GOOD, USAGE
from trust.core.entry import decode_entry
from trust.log.quorum import parse_quorum
from trust.storage.engine import Database
from trust.storage.reading import reading


def init(folder: Path, text: str) -> int:
    """Makes a network with the witnesses of this text."""
    file = folder / "witnesses"
    file.write_text(text, encoding="utf-8")
    named = ["--network", "trust.example.org/cli", "--policy", "sandbox", "--witnesses", str(file)]
    return run(["init", "--data", str(folder / "data"), *named, "--json"])


def test_the_witnesses_of_a_file_stand_in_the_genesis_without_its_comments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "# whom I trust\n\n" + "".join(f"  {line}\t \n\t# yes\n" for line in two_of_three())
    assert init(tmp_path, text) == GOOD
    assert json.loads(capsys.readouterr().out)["network"] == "trust.example.org/cli"
    database = Database(f"sqlite:///{tmp_path / 'data' / 'trust.db'}")
    with reading(database) as reader:
        first = reader.entry(0)
    database.close()
    assert first is not None
    genesis = decode_entry(first.data).command.genesis
    assert genesis is not None
    assert list(genesis.policy.witnesses.quorum) == two_of_three()
    assert parse_quorum(genesis.policy.witnesses.quorum).needed == "most"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("quorum w1", "not defined"),
        ("", "no line `quorum`"),
        ("quorum none", "names no witness"),
        ("\n".join(two_of_three()).replace("group most", "group m" + "o" * 200), ""),
    ],
)
def test_a_file_that_names_no_quorum_makes_no_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, why: str
) -> None:
    assert init(tmp_path, text) == USAGE
    assert why in capsys.readouterr().err
    assert not (tmp_path / "data" / "trust.db").exists()
