"""The webhooks module: delivering stored events to the operator's endpoints."""

from collections.abc import Mapping
from dataclasses import dataclass

from parley.core.ports import Clock, Jitter
from parley.core.webhooks.circuit import Circuit
from parley.core.webhooks.ports import DeliveryMeter, WebhookSender
from parley.core.webhooks.stores import WebhooksUnitOfWork


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What sends to one endpoint, and whether this process is to send to it now."""

    sender: WebhookSender
    circuit: Circuit


@dataclass(frozen=True, kw_only=True, slots=True)
class WebhooksPorts:
    """Everything that the webhooks module needs from outside; the first argument of each of its use cases.

    `endpoints` are those of the settings, by the names under which deliveries to them are stored.
    """

    uow: WebhooksUnitOfWork
    endpoints: Mapping[str, Endpoint]
    meter: DeliveryMeter
    now: Clock
    jitter: Jitter
