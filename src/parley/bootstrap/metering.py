"""Who counts what."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import current_process

from parley.adapters.metrics import Metrics
from parley.adapters.metrics.meters import CountedAudit, HttpMeter, LoggedReplies, SweepMeter
from parley.adapters.metrics.scrape import Scrape
from parley.adapters.sql.backlog import SqlBacklog
from parley.adapters.sql.database import Database
from parley.core.accounts.ports import AuditTrail
from parley.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Metering:
    """The meters of one process, and what Prometheus reads of them."""

    metrics: Metrics
    requests: HttpMeter
    replies: LoggedReplies
    sweeps: SweepMeter
    scrape: Scrape

    def counted(self, audit: AuditTrail) -> AuditTrail:
        return CountedAudit(audit, self.metrics)

    @contextmanager
    def listening(self, settings: Settings) -> Generator[None, None, None]:
        """A worker's own port, where it is to have one: the second process of a `taskiq worker` takes the next."""
        if not settings.worker_metrics_port:
            yield
            return
        # http.server is not needed otherwise.
        from parley.adapters.metrics.listener import listening  # noqa: PLC0415

        port = settings.worker_metrics_port + process_number(current_process().name)
        with listening(self.metrics, port=port, token=settings.metrics_token):
            yield


def metering(database: Database) -> Metering:
    metrics, read = Metrics(), SqlBacklog(database)
    return Metering(
        metrics=metrics,
        requests=HttpMeter(metrics),
        replies=LoggedReplies(metrics),
        sweeps=SweepMeter(metrics),
        scrape=Scrape(metrics, read, monotonic=time.monotonic),
    )


def process_number(name: str) -> int:
    """taskiq calls its processes worker-0, worker-1, and so on; a process that takes another's place has its name."""
    _, _, number = name.rpartition("-")
    return int(number) if name.startswith("worker-") and number.isdecimal() else 0
