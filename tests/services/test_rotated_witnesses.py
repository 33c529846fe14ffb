"""The log changes its key: what witnesses cosigned before holds, and they go on once they were told the new key."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.core.witnesses import LABELS, two_of_three
from tests.services.houses import House
from tests.services.logs import check_log
from tests.services.statements import Party
from tests.services.witnesses import honest_ones, witnessed_town
from trust.audit.log_check import check_log as audited
from trust.core.payloads import KeyAdopt
from trust.log.checkpoint import Checkpoint
from trust.log.note import Signer, Verifier
from trust.log.quorum import open_with_quorum, parse_quorum
from trust.services.cosigning import Cosigning
from trust.services.drawing import Drawing
from trust.services.notifying import Notifier
from trust.services.publishing import published
from trust.services.sequencing import Sequencer
from trust.storage.engine import Database
from trust.storage.reading import reading

QUORUM = parse_quorum(two_of_three())


def shown(database: Database, key: Verifier) -> Checkpoint:
    """The published checkpoint, which the quorum cosigned."""
    with reading(database) as reader:
        return open_with_quorum(published(reader), key, QUORUM)[0]


def asked(database: Database, urls: Sequence[str]) -> set[str]:
    """How the witnesses answer one round."""
    cosigning = Cosigning(database, Notifier(), urls)
    cosigning.round()
    cosigning.close()
    return {each.state for each in cosigning.quorum_state().witnesses}


def test_what_was_cosigned_before_a_rotation_draws_after_it_and_witnesses_go_on_with_the_new_key(
    database: Database, tmp_path: Path
) -> None:
    house = House(database, tmp_path, witnessed_town()).found()
    town, other = house.town, Party("log 2")
    (early, late), new = town.workers, Signer(town.log.name, other.seed)
    house.sequencer = Sequencer(database, [town.log, new], house.head_file, now_ms=lambda: house.town.now_ms)
    house.sequencer.open()
    draws = Drawing(database, house.sequencer, [town.draw.seed])
    with honest_ones(tmp_path, town.log.verifier, *LABELS) as urls:
        house.receipts(town.output(house.claimed("before", early), early))
        assert asked(database, urls) == {"cosigned"}
        adopt = town.say(KeyAdopt, town.operator, Party("log"), other, use="log", key=other.did)
        (adopted,) = house.receipts(adopt)
        house.receipts(town.output(house.claimed("after", late), late))
        assert asked(database, urls) == {"refused"}
    assert shown(database, town.log.verifier).size == adopted.index
    assert audited(database).ok
    house.sequencer.start()
    assert draws.run() == 1
    assert draws.run() == 0
    with honest_ones(tmp_path, new.verifier, *LABELS) as urls:
        assert asked(database, urls) == {"cosigned"}
    assert shown(database, new.verifier).size > adopted.index + 1
    assert draws.run() == 1
    house.sequencer.stop()
    assert audited(database).ok
    assert check_log(database, new.verifier) is not None
