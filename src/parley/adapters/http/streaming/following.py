"""Following a reply for a client of another protocol, from its beginning on."""

from collections.abc import AsyncGenerator
from contextlib import ExitStack
from functools import partial

from parley.adapters.http.auth import AuthenticatedRequest
from parley.adapters.http.ports import ports_of
from parley.adapters.http.streaming.permission import may_read
from parley.core.chat.follow_reply import follow_reply
from parley.core.chat.model import Message
from parley.core.chat.reply_events import ReplyEvent

# Comments at least every 15 s are promised.
KEEP_ALIVE_SECONDS = 10.0


def follow(
    request: AuthenticatedRequest, reply: Message, taken: ExitStack | None = None
) -> AsyncGenerator[ReplyEvent, None]:
    """As `follow_reply`, for as long as the caller may read. Closes what was `taken` for its reader, if anything."""
    ports, caller = ports_of(request), request.user
    return follow_reply(
        ports.chat,
        account_id=caller.account_id,
        room_id=reply.room_id,
        reply_id=reply.id,
        after=None,
        keep_alive_seconds=KEEP_ALIVE_SECONDS,
        may_read=partial(may_read, ports, caller.session_id, caller.account_id),
        reading=ports.chat.readers.reading(reply.id, account_id=caller.account_id, taken=taken),
    )
