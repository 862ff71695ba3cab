"""Storing what a reply has so far while the stream does not carry it, so that readers find it in the database."""

import asyncio
from contextlib import suppress

from parley.core.chat import ChatPorts
from parley.core.chat.draft import Draft
from parley.core.chat.model import Claim, Message
from parley.core.chat.parts import Part
from parley.core.errors import Unavailable
from parley.core.tasks import finish

# Each time the whole reply is written, so it is not done for every chunk.
STORE_SECONDS = 2.0


async def store_while_interrupted(chat: ChatPorts, claim: Claim, draft: Draft) -> None:
    """Store what was added to the draft every STORE_SECONDS while the stream is interrupted. Runs until cancelled."""
    stored = 0
    while True:
        await asyncio.sleep(STORE_SECONDS)
        characters = draft.characters
        if chat.stream.interrupted and characters > stored:
            # Without the database the reply goes on all the same, and the next time may succeed.
            with suppress(Unavailable):
                await finish(_store(chat, claim, draft.parts))
                stored = characters


async def parts_for_readers(chat: ChatPorts, message: Message) -> tuple[Part, ...]:
    """What a reader can have of an unended reply: the parts in the stream, or those in `message` if they are more."""
    return max(await chat.stream.parts_so_far(message.id), message.parts, key=_characters)


async def _store(chat: ChatPorts, claim: Claim, parts: tuple[Part, ...]) -> None:
    async with chat.uow(single=True) as unit:
        await unit.replies.store_draft(claim, parts)


def _characters(parts: tuple[Part, ...]) -> int:
    return sum(len(part.text) for part in parts)
