"""The metrics page of an API process: its own metrics and the backlog in the database."""

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

# Several servers may scrape each process; the database is queried at most once in this time.
BACKLOG_SECONDS = 1.0
# Shorter than Prometheus' timeout of 10 s, so that a scrape can report an unresponsive database.
QUERY_SECONDS = 2.0
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


class Scrape:
    """Renders the page. With PROMETHEUS_MULTIPROC_DIR it has the sums of all processes. Not for several event loops."""

    def __init__(self, metrics: Metrics, read: BacklogReader, *, monotonic: Callable[[], float]) -> None:
        self._metrics = metrics
        self._read = read
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._backlog: Backlog | None = None
        self._read_at = float("-inf")

    async def __call__(self) -> bytes:
        """The page in text format 0.0.4. Without the database it reports that and leaves out the backlog."""
        backlog = await self._recent_backlog()
        return await asyncio.to_thread(_text, self._metrics, backlog)

    async def _recent_backlog(self) -> Backlog | None:
        async with self._lock:
            if self._monotonic() - self._read_at >= BACKLOG_SECONDS:
                self._backlog = await self._try_read()
                self._read_at = self._monotonic()
            return self._backlog

    async def _try_read(self) -> Backlog | None:
        try:
            async with asyncio.timeout(QUERY_SECONDS):
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
        yield from _waiting("parley_codes_waiting", "Codes that have not been sent", backlog.codes)
        yield from _waiting("parley_webhooks_waiting", "Webhook events that have not been processed", backlog.events)
        yield from _waiting(
            "parley_webhook_deliveries_waiting", "Events that an endpoint has not taken yet", backlog.deliveries
        )
        yield _gauge(
            "parley_closures_waiting",
            "Customers that erased accounts have left at the payment provider",
            backlog.customer_erasures,
        )


def _text(metrics: Metrics, backlog: Backlog | None) -> bytes:
    counts = metrics.registry
    folder = os.environ.get(SHARED_FOLDER)
    if folder:
        _remove_dead_processes(Path(folder))
        counts = CollectorRegistry()
        MultiProcessCollector(counts, folder)
    waiting = CollectorRegistry()
    waiting.register(_BacklogGauges(backlog))
    return generate_latest(counts) + generate_latest(waiting)


def _remove_dead_processes(folder: Path) -> None:
    """Remove the live gauges of killed processes, which would otherwise count forever. Their counters stay."""
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
