"""The checkpoint that is published (docs/protocol.md 4).

- A write answers at once, with a receipt under the checkpoint of its own batch: it verifies alone and waits for nobody.
- `GET /log/checkpoint` shows the newest checkpoint that the witnesses of the policy in force cosigned; where the policy
  names none, the newest there is. While it names some and none is cosigned yet, there is none to show (`no-quorum`):
  a larger one without cosignatures, then a smaller one with them, would look like a log that went back.
- A receipt that is asked for later is under the cosigned checkpoint where that covers the entry, else the newest.
- Tiles and proofs are served up to the newest entry, cosigned or not.
"""

from __future__ import annotations

from trust.errors import TrustError
from trust.log.checkpoint import Checkpoint
from trust.log.note import parse_note
from trust.services.receipts import Receipt, stored_receipt
from trust.storage.cosigned import CosignedHead, newest, policy_in_force
from trust.storage.reading import Reader
from trust.storage.unit import Head


def cosigned_head(reader: Reader) -> tuple[bool, CosignedHead | None]:
    """Returns whether the policy in force names witnesses, and the newest checkpoint that they cosigned."""
    policy = policy_in_force(reader)
    if policy is None or not policy.terms.witnesses.quorum:
        return False, None
    return True, newest(reader.connection, int(policy.id))


def published(reader: Reader) -> bytes:
    """The signed note that the log shows; TrustError `no-quorum` where it has none to show yet."""
    is_witnessed, cosigned = cosigned_head(reader)
    if not is_witnessed:
        return reader.head().checkpoint
    if cosigned is None:
        raise TrustError(
            "no-quorum", "the witnesses of the policy in force have not cosigned a checkpoint yet"
        )
    return cosigned.note


def newest_receipt(reader: Reader, index: int) -> Receipt | None:
    """The receipt of an entry; None where there is none."""
    return stored_receipt(reader, index, head_over(reader, index))


def head_over(reader: Reader, index: int) -> Head:
    """The head to prove an entry under: the cosigned one where it covers the entry, else the newest."""
    _, cosigned = cosigned_head(reader)
    if cosigned is None or index >= cosigned.size:
        return reader.head()
    root = Checkpoint.parse(parse_note(cosigned.note)[0]).root
    return Head(cosigned.size, cosigned.at_ms, root, cosigned.note)
