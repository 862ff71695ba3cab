"""What the operations that accept a message have in common: the Idempotency-Key, and the response."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from litestar import Response
from litestar.params import HeaderParameter
from structlog.contextvars import bind_contextvars

from parley.adapters.http.chat.message_bodies import AcceptedBody, message_body
from parley.adapters.http.openapi.fields import REPLY_ID, ROOM_ID, example
from parley.adapters.http.openapi.operation import header, link
from parley.adapters.http.ports import HttpPorts
from parley.adapters.http.quota_headers import QUOTA_HEADERS, quota_headers
from parley.core.accounts.model import Caller
from parley.core.chat.allowance import Allowance
from parley.core.chat.messages import Accepted
from parley.core.chat.model import IDEMPOTENCY_KEY_CHARACTERS
from parley.core.chat.tickets import TICKET_SECONDS, Ticket

IdempotencyKeyHeader = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=IDEMPOTENCY_KEY_CHARACTERS,
        description="A repeated request with the same key within 24 hours has the same response and no effect",
        examples=example("6f1b0c9e-say-it-once"),
    ),
]
# The used-up quota of example problems.
USED_UP = Allowance(limit=5, remaining=0, resets_at=datetime(2026, 11, 22, tzinfo=UTC))
_REPLY = {"chatroom_id": "$response.body#/reply/chatroom_id", "message_id": "$response.body#/reply/id"}
# Keyword arguments of `operation`.
DOCUMENTED: dict[str, Any] = {
    "headers": {
        202: {
            "Location": header("The address of the reply", f"/chatroom/{ROOM_ID}/messages/{REPLY_ID}", ".+"),
            **QUOTA_HEADERS,
            "Idempotent-Replayed": header("Only on a repeated request", "true", "true", always=False),
        },
        429: QUOTA_HEADERS,
    },
    "links": {
        202: {
            "watch": link("streamReply", "The stream of the reply", parameters=_REPLY),
            "read": link("getMessage", "The text of the reply so far", parameters=_REPLY),
            "stop": link("stopReply", "Stop generating the reply", parameters=_REPLY),
            "again": link("regenerateReply", "Ask for another reply", parameters=_REPLY),
        }
    },
}


def accepted_response(accepted: Accepted, caller: Caller, ports: HttpPorts) -> Response[AcceptedBody]:
    """202 with the message, its reply and the address of the reply's stream."""
    reply, now = accepted.reply, ports.chat.now()
    # Connects this request's log lines with the worker's.
    bind_contextvars(reply_id=str(reply.id))
    address = f"{ports.public_url}/chatroom/{reply.room_id}/messages/{reply.id}"
    # A repeated request gets the ticket of the first answer while it is valid, so that both answers are equal.
    valid = now - reply.created_at < timedelta(seconds=TICKET_SECONDS)
    ticket = Ticket(caller.account_id, caller.session_id, reply.room_id, reply.id)
    token = ports.chat.tickets.issue(ticket, reply.created_at if valid else now)
    return Response(
        AcceptedBody(message_body(accepted.question), message_body(reply), f"{address}/stream?ticket={token}"),
        status_code=202,
        headers={
            "Location": address,
            **quota_headers(accepted.allowance, now),
            **({"Idempotent-Replayed": "true"} if accepted.replayed else {}),
        },
    )
