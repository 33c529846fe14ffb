"""Metrics of requests and of the log, for Prometheus."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Telemetry:
    """One process's numbers; paths are templates, so that nobody can fill the memory with labels."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._answers = Counter(
            "trust_http_requests_total", "Answers", ["method", "path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "trust_http_request_seconds",
            "Time to answer",
            ["path"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._statements = Counter(
            "trust_statements_total", "Statements by result", ["result"], registry=self._registry
        )
        self._gauges = {
            name: Gauge(f"trust_{name}", meaning, registry=self._registry)
            for name, meaning in (
                ("log_entries", "Entries on the log"),
                ("log_age_ms", "Time since the last entry"),
                ("inbox_statements", "Statements that wait for the sequencer"),
                ("cosigned_entries", "Entries under the newest cosigned checkpoint; 0 without witnesses"),
                ("cosigned_age_ms", "Time since a quorum of witnesses was last reached; 0 without witnesses"),
                ("quorum_missing_ms", "For how long the newest head has lacked its quorum; 0: it has it"),
                ("coordination_ppm", "Share of tasks' lives that was coordination, lately"),
                ("wait_p50_ms", "From a task being open to its claim, lately; the median"),
                ("work_p50_ms", "From a claim to its output, lately; the median"),
                ("settle_p50_ms", "From an output to its claim's end, lately; the median"),
                ("waiting_milli", "Tasks that stood open and unclaimed on average, lately, in thousandths"),
                ("draws_waiting", "Claims whose draw is awaited"),
                ("draws_oldest_ms", "How long the longest waiting draw has been awaited; 0: none is"),
                ("due_late_ms", "How late the oldest thing is that fell due and is not settled; 0: none is"),
                ("disputes_open", "Claims that somebody challenged and that are not decided"),
                (
                    "pools_small",
                    "Pools of verifiers that can seat no panel or no appeal by the policy in force",
                ),
                ("jobs_late", "Threads and jobs of this process that did not do their work in time"),
                ("disk_free_bytes", "Room on the fullest disk of data and database"),
                ("disk_reserve_bytes", "Below this much room nothing more is taken"),
                ("batch_ms", "What writing the last batch took, with its commit"),
            )
        }
        self._witnesses = {
            name: Gauge(f"trust_witness_{name}", meaning, ["witness"], registry=self._registry)
            for name, meaning in (
                ("good", "1 where the witness cosigned when it was last asked"),
                ("good_ago_ms", "Time since it last cosigned; -1 where it has not since the start"),
            )
        }

    def answered(self, scope: dict[str, Any], status: int, took_ms: int) -> None:
        """Counts a request."""
        path = scope.get("path_template") or "other"
        method = scope["method"] if scope["method"] in ("GET", "POST", "PUT") else "other"
        self._answers.labels(method, path, status).inc()
        self._seconds.labels(path).observe(took_ms / 1000)

    def decided(self, result: str, count: int = 1) -> None:
        """Counts statements: `accepted`, `repeated`, or the code of a refusal."""
        self._statements.labels(result).inc(count)

    def witnessed(self, witness: str, *, good: bool, good_ago_ms: int) -> None:
        """How a witness stands; there are as many as the operator or the policy names."""
        self._witnesses["good"].labels(witness).set(good)
        self._witnesses["good_ago_ms"].labels(witness).set(good_ago_ms)

    def text(self, **now: int) -> bytes:
        """The exposition format, with the gauges as they are now."""
        for name, value in now.items():
            self._gauges[name].set(value)
        return generate_latest(self._registry)
