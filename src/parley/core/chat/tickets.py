"""Tickets for reply streams: a browser's EventSource cannot send an Authorization header, so its URL has a ticket."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from parley.core.errors import DomainError, Kind

TICKET_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to read the stream of one reply while the session that it was issued to lasts."""

    account_id: UUID
    session_id: UUID
    room_id: UUID
    reply_id: UUID


class TicketInvalid(DomainError):
    """The ticket is malformed, expired, not signed by this deployment, or for another reply.

    `reason` is a fixed word for the audit trail; the client does not learn it.
    """

    code = "ticket_invalid"
    kind = Kind.UNAUTHENTICATED
    detail = "This stream's ticket is invalid or has expired. Read the message with a bearer token."

    def __init__(self, reason: str = "other_reply") -> None:
        super().__init__()
        self.reason = reason


class StreamTickets(Protocol):
    def issue(self, ticket: Ticket, now: datetime) -> str:
        """A token that is valid for TICKET_SECONDS and safe in a URL. Equal arguments give equal tokens."""

    def read(self, token: str, now: datetime) -> Ticket:
        """Raises TicketInvalid for a token that has expired or that `issue` did not make."""
