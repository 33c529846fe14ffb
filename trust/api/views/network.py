"""The network as a whole: who it is, by which rules it decides, and what it all comes to."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from trust.api.views.shapes import shown
from trust.core.identity import key_of
from trust.core.overhead import NETWORK as WHOLE_NETWORK
from trust.core.overhead import figures, thresholds
from trust.core.records import AdoptedPolicy, AdoptedRules, Network, Overhead
from trust.errors import TrustError
from trust.log.note import Verifier
from trust.services.blobs import stored_bytes
from trust.services.scoring import policy_of
from trust.storage.holdings import unpaid
from trust.storage.reading import Reader


def vkey(reader: Reader) -> str:
    """The log's verifier key as it is now."""
    network = reader.network()
    return _vkey(network, network.log_key)


def _vkey(network: Network, did: str) -> str:
    return str(Verifier(network.origin, key_of(did)))


def policy(reader: Reader, number: int | None) -> dict[str, Any]:
    """The network, its keys and rules, and one policy: in force now, or by its number."""
    network = reader.network()
    asked = network.policy if number is None else number
    adopted = policy_of(reader, asked)
    if adopted is None:
        raise TrustError("unknown-policy", f"there are policies 0 to {network.policies - 1}, and no {asked}")
    ahead = reader.records(AdoptedPolicy, [str(n) for n in range(network.policy + 1, network.policies)])
    return {
        **shown(network, "id", "id"),
        "network": network.origin,
        "vkey": _vkey(network, network.log_key),
        "log_keys": [
            {
                "vkey": _vkey(network, key.id.removeprefix("log/")),
                "since_index": key.since_index,
                "until_index": key.until_index if key.until_index >= 0 else None,
            }
            for key in reader.service_keys("log")
        ],
        "policy": asked,
        "in_force": network.policy,
        "effective_ms": adopted.effective_ms,
        "index": adopted.index,
        "terms": msgspec.to_builtins(adopted.terms),
        "announced": [{"policy": int(each.id), "effective_ms": each.effective_ms} for each in ahead],
        "announced_rules": _announced_rules(reader, network.rules),
    }


def _announced_rules(reader: Reader, rules: int) -> list[dict[str, Any]]:
    adopted_rules = reader.record(AdoptedRules, str(rules + 1))
    return [] if adopted_rules is None else [shown(adopted_rules, "rules")]


def stats(reader: Reader) -> dict[str, Any]:
    """Counts of everything, the sums on each kind of account, and withdrawals that the operator owes."""
    head = reader.head()
    network = reader.network()
    terms = cast(AdoptedPolicy, policy_of(reader, network.policy)).terms
    count, units = unpaid(reader.connection, head.at_ms - terms.windows.payout_ms)
    return {
        "size": head.size,
        "at_ms": head.at_ms,
        **reader.stats(),
        "blob_bytes": stored_bytes(reader.connection),
        "overdue_payouts": count,
        "overdue_payouts_units": units,
    }


def overhead(reader: Reader, task_kind: str, after: str, limit: int) -> dict[str, Any]:
    """Returns the cost of coordination in tasks' lives: for the whole network, and by task kind and relay."""
    head = reader.head()
    terms = thresholds(cast(AdoptedPolicy, policy_of(reader, reader.network().policy)).terms)
    records = reader.overhead(task_kind, after, limit)

    def shown_figures(record: Overhead) -> dict[str, Any]:
        facts: dict[str, Any] = msgspec.to_builtins(figures(record, head.at_ms, terms))
        return facts

    return {
        "as_of": {"size": head.size, "at_ms": head.at_ms},
        "thresholds": msgspec.to_builtins(terms),
        "network": shown_figures(network_overhead(reader)),
        "pairs": [
            {"task_kind": each.task_kind, "relay": each.relay, **shown_figures(each)} for each in records
        ],
        "after": records[-1].id if len(records) == limit else None,
    }


def network_overhead(reader: Reader) -> Overhead:
    """Returns the record of coordination in the whole network."""
    whole = Overhead(id=WHOLE_NETWORK, task_kind="", relay="")
    return reader.record(Overhead, WHOLE_NETWORK) or whole


def blob_limit(reader: Reader) -> int:
    """How many bytes a blob may have by the policy in force."""
    network = reader.network()
    return cast(AdoptedPolicy, policy_of(reader, network.policy)).terms.blobs.max_bytes
