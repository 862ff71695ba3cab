"""What Prometheus gets from an API process: its own counts and what waits in the database."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from parley.adapters.metrics import Metrics
from parley.core.backlog import Backlog, BacklogReader, Waiting
from parley.core.errors import Unavailable

# Every process may be scraped by several servers; the database is asked no more often.
BACKLOG_SECONDS = 1.0
# Prometheus gives up after ten seconds: by then it should know that the database does not answer.
PATIENCE_SECONDS = 2.0
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Scrape:
    """Where several processes share a folder, counts are those of all of them. Ask in one event loop."""

    def __init__(self, metrics: Metrics, read: BacklogReader, *, monotonic: Callable[[], float]) -> None:
        self._metrics = metrics
        self._read = read
        self._monotonic = monotonic
        self._turn = asyncio.Lock()
        self._backlog: Backlog | None = None
        self._asked_at = float("-inf")

    async def __call__(self) -> bytes:
        """In the text format 0.0.4. With the database away it says so and leaves out what waits there."""
        backlog = await self._recent_backlog()
        return await asyncio.to_thread(_text, self._metrics, backlog)

    async def _recent_backlog(self) -> Backlog | None:
        async with self._turn:
            if self._monotonic() - self._asked_at >= BACKLOG_SECONDS:
                self._backlog = await self._ask()
                self._asked_at = self._monotonic()
            return self._backlog

    async def _ask(self) -> Backlog | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._read()
        except (Unavailable, TimeoutError):
            return None


class _BacklogGauges(Collector):
    def __init__(self, backlog: Backlog | None) -> None:
        self._backlog = backlog

    def collect(self) -> Iterator[GaugeMetricFamily]:
        backlog = self._backlog
        yield _gauge("parley_database_up", "Whether the database answered this scrape", float(backlog is not None))
        if backlog is None:
            return
        replies = GaugeMetricFamily("parley_replies_unfinished", "Replies that have not ended", labels=["status"])
        replies.add_metric(["pending"], backlog.pending)
        replies.add_metric(["generating"], backlog.generating)
        yield replies
        yield from _waiting("parley_replies_due", "Replies that a worker may take now", backlog.due)
        yield from _waiting("parley_codes_waiting", "Codes that have not been handed over", backlog.codes)
        yield from _waiting("parley_webhooks_waiting", "Webhook events that have not been followed", backlog.events)
        yield _gauge(
            "parley_closures_waiting", "Customers of erased accounts still to be closed", backlog.customer_erasures
        )


def _text(metrics: Metrics, backlog: Backlog | None) -> bytes:
    counts = metrics.registry
    folder = os.environ.get(SHARED_FOLDER)
    if folder:
        _forget_the_dead(Path(folder))
        counts = CollectorRegistry()
        MultiProcessCollector(counts, folder)
    waiting = CollectorRegistry()
    waiting.register(_BacklogGauges(backlog))
    return generate_latest(counts) + generate_latest(waiting)


def _forget_the_dead(folder: Path) -> None:
    """Gauges of a process that was killed would count for ever; its counters stay."""
    for file in folder.glob("gauge_live*.db"):
        process = int(file.stem.rpartition("_")[2])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            mark_process_dead(process, str(folder))


def _waiting(name: str, meaning: str, waiting: Waiting) -> Iterator[GaugeMetricFamily]:
    yield _gauge(name, meaning, waiting.count)
    yield _gauge(f"{name}_seconds", f"{meaning}: for how long the oldest has", waiting.seconds)


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value=value)
