"""Prometheus metrics: labels are ``stream``, ``part`` and ``outcome``, so their number is bounded.

No label and no value ever comes from a record.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from lakegate.pipeline.supervisor.board import Board, PartStatus

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["exposition"]

_STREAM_GAUGES = (
    ("waiting_to_judge", "lakegate_waiting_to_judge_records", "Raw records not judged yet"),
    ("waiting_to_land", "lakegate_waiting_to_land_records", "Validated records not landed yet"),
    ("waiting_to_publish", "lakegate_waiting_to_publish_rows", "Rows on staged, not on main"),
    ("rows_staged", "lakegate_landed_rows", "Rows on branch staged"),
    ("rows_main", "lakegate_published_rows", "Rows on branch main"),
    ("open_deadletters", "lakegate_deadletters_open", "Dead letters nobody has dealt with"),
    ("paused", "lakegate_stream_paused", "1 while the stream waits for a person"),
)
_OUTCOMES = ("accepted", "rejected", "tombstones", "replayed")


def exposition(board: Board, facts: Mapping[str, Mapping[str, Any]]) -> tuple[bytes, str]:
    """The page of ``/metrics`` and its content type, from what the parts last told."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(
        _Found([*_parts(board), *_numbers(facts), *_passed_over(facts), *_gateway(facts)])
    )
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Found:
    """A collector of metrics that are already there."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _parts(board: Board) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    from lakegate.pipeline.supervisor.heart import rss_bytes

    up = GaugeMetricFamily("lakegate_part_up", "1 while the part runs", labels=["part"])
    restarts = CounterMetricFamily("lakegate_part_restarts", "Starts after an end", labels=["part"])
    troubles = GaugeMetricFamily(
        "lakegate_part_troubles", "Streams or jobs of the part that do not go on", labels=["part"]
    )
    rss = GaugeMetricFamily(
        "lakegate_process_resident_memory_bytes", "Resident memory", labels=["part"]
    )
    for part in board.parts:
        up.add_metric([part.name], float(part.status is PartStatus.UP))
        restarts.add_metric([part.name], part.restarts)
        troubles.add_metric([part.name], len(part.troubles))
        if part.rss_bytes is not None:
            rss.add_metric([part.name], part.rss_bytes)
    rss.add_metric(["supervisor"], rss_bytes() or 0)
    yield from (up, restarts, troubles, rss)


def _numbers(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    found = facts.get("watch", {}).get("numbers")
    if not isinstance(found, dict):
        return
    streams: list[dict[str, Any]] = found["streams"]
    records = CounterMetricFamily(
        "lakegate_records", "Records judged, by outcome", labels=["stream", "outcome"]
    )
    audits = GaugeMetricFamily(
        "lakegate_audit_rules", "Rules of the newest audit", labels=["stream", "outcome"]
    )
    since = GaugeMetricFamily(
        "lakegate_seconds_since_publish", "Since main last moved", labels=["stream"]
    )
    for numbers in streams:
        name = numbers["stream"]
        for outcome in _OUTCOMES:
            records.add_metric([name, outcome], numbers[outcome])
        audits.add_metric([name, "passed"], numbers["audit_passed"])
        audits.add_metric([name, "failed"], len(numbers["audit_failed"]))
        if numbers["published_s"] is not None:
            since.add_metric([name], max(0.0, time.time() - numbers["published_s"]))
    yield from (records, audits, since)
    for key, metric, what in _STREAM_GAUGES:
        gauge = GaugeMetricFamily(metric, what, labels=["stream"])
        for numbers in streams:
            gauge.add_metric([numbers["stream"]], float(numbers[key]))
        yield gauge
    yield GaugeMetricFamily(
        "lakegate_incidents_open", "Incidents that are open", value=found["incidents"]
    )
    yield GaugeMetricFamily(
        "lakegate_numbers_age_seconds",
        "Since the stores were last looked at",
        value=max(0.0, time.time() - found["at_s"]),
    )


def _passed_over(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily

    passed = CounterMetricFamily(
        "lakegate_cdc_passed_over_events",
        "Change events about no row, by what they are",
        labels=["stream", "outcome"],
    )
    for told in facts.values():
        for stream, kinds in told.get("passed_over", {}).items():
            for kind, count in sorted(kinds.items()):
                passed.add_metric([stream, kind], count)
    yield passed


def _gateway(facts: Mapping[str, Mapping[str, Any]]) -> Iterator[Metric]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    found = facts.get("gateway", {}).get("requests")
    if found is None:
        return
    requests = msgspec.convert(found, _Requests)
    answered = CounterMetricFamily(
        "lakegate_gateway_requests", "Requests answered, by class of status", labels=["outcome"]
    )
    for outcome, count in sorted(requests.by_class.items()):
        answered.add_metric([outcome], count)
    yield answered
    total, buckets = 0, []
    for edge, count in zip([*requests.edges, float("inf")], requests.counts, strict=True):
        total += count
        buckets.append(("+Inf" if edge == float("inf") else repr(edge), total))
    seconds = HistogramMetricFamily(
        "lakegate_gateway_request_seconds", "From the first byte in to the last byte out"
    )
    seconds.add_metric([], buckets, requests.seconds)
    yield seconds


class _Requests(msgspec.Struct):
    """What the gateway's meter counts."""

    by_class: dict[str, int]
    edges: list[float]
    counts: list[int]
    seconds: float
