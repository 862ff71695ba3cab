"""Tickets for streams: a browser's EventSource sends no header, so its right to one reply stands in the address."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from parley.core.errors import DomainError, Kind

TICKET_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to read the stream of one reply, as long as the session that it was given to has not ended."""

    account_id: UUID
    session_id: UUID
    room_id: UUID
    reply_id: UUID


class TicketInvalid(DomainError):
    """The ticket is malformed, expired, or not signed here."""

    code = "ticket_invalid"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("This stream's ticket is not valid, or not any more. Read the message with a bearer token.")


class StreamTickets(Protocol):
    def issue(self, ticket: Ticket, now: datetime) -> str:
        """Good for TICKET_SECONDS, safe in a URL; the same for the same arguments."""

    def read(self, token: str, now: datetime) -> Ticket:
        """Raises TicketInvalid for whatever `issue` did not make, and for what has expired."""
