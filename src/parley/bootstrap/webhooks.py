"""Building the webhooks module, and what the other modules know of it."""

import random
import time
from functools import partial
from typing import TYPE_CHECKING

from parley.adapters.metrics.meters import LoggedDeliveries
from parley.adapters.sql.engine.database import Database
from parley.adapters.sql.webhooks.unit_of_work import SqlWebhooksUnitOfWork
from parley.adapters.worker.sweeper import Sweep
from parley.bootstrap.built_module import Module
from parley.bootstrap.telemetry import Telemetry
from parley.core.outgoing_events import EventKind, Webhooks
from parley.core.ports import Clock
from parley.core.webhooks import Endpoint, WebhooksPorts
from parley.core.webhooks.circuit import Circuit
from parley.core.webhooks.deliver import deliver_due, tidy_deliveries
from parley.settings import Settings, SettingsError

if TYPE_CHECKING:
    from parley.adapters.webhooks.http_sender import HttpWebhookSender

SWEEP_SECONDS = 1.0
TIDY_SECONDS = 3_600.0


def build_webhooks(
    settings: Settings, database: Database, telemetry: Telemetry, *, now: Clock
) -> Module[WebhooksPorts]:
    """Without WEBHOOK_URL nothing is delivered; what earlier settings left is still removed in time."""
    senders = webhook_senders(settings)
    ports = WebhooksPorts(
        uow=SqlWebhooksUnitOfWork(database),
        endpoints={name: Endpoint(sender, Circuit(clock=time.monotonic)) for name, sender in senders.items()},
        meter=LoggedDeliveries(telemetry.metrics),
        now=now,
        jitter=random.random,
    )
    return Module(
        ports=ports,
        tasks={},
        worker_sweeps=(
            # One for each endpoint, so that none waits for another.
            *(Sweep("webhook_deliveries", SWEEP_SECONDS, partial(deliver_due, ports, name)) for name in senders),
            Sweep("old_deliveries", TIDY_SECONDS, partial(tidy_deliveries, ports)),
        ),
        close=tuple(sender.close for sender in senders.values()),
    )


def wanted_events(settings: Settings, webhooks: WebhooksPorts) -> Webhooks:
    """What the modules that store events need to know."""
    return Webhooks(
        endpoints=tuple(webhooks.endpoints),
        kinds=frozenset(map(EventKind, settings.webhook_events)) or frozenset(EventKind),
        message_text=settings.webhook_message_text,
    )


def webhook_senders(settings: Settings) -> "dict[str, HttpWebhookSender]":
    """A sender for each URL by its name. Raises SettingsError for a URL or secret that cannot be used."""
    if not settings.webhook_url:
        return {}
    from parley.adapters.webhooks.http_sender import HttpWebhookSender  # noqa: PLC0415  imported only if chosen

    try:
        senders = [HttpWebhookSender(url, settings.webhook_secret) for url in settings.webhook_url]
    except ValueError as error:
        raise SettingsError(str(error)) from error
    return {sender.name: sender for sender in senders}
