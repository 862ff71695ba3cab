"""The events that are stored for the operator's servers."""

from parley.core.outgoing_events import EventKind, OutgoingEvent, Webhooks
from tests.fakes.database import FakeDatabase

ENDPOINT = "hooks.example.com-12345678"
ALL = Webhooks(endpoints=(ENDPOINT,))


def stored_events(database: FakeDatabase, kind: EventKind | None = None) -> list[OutgoingEvent]:
    """The events in the order in which they were stored."""
    rows = database.committed.deliveries_of_events.values()
    return [row.delivery.event for row in rows if kind in {None, row.delivery.event.kind}]
