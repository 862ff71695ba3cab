"""Small things that many tests of reply streams need."""

from uuid import UUID

from parley.core.chat.parts import text_of
from parley.core.chat.ports import ReplyStream


async def text_so_far(stream: ReplyStream, reply_id: UUID) -> str:
    """The text that the stream holds, without reasoning."""
    return text_of(await stream.parts_so_far(reply_id))


async def always() -> bool:
    """The `may_read` of a reader whose session does not end."""
    return True
