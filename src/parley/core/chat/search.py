"""Finding messages and rooms, and keeping the index in step with what is written."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.model import Message, Room
from parley.core.chat.search_store import IndexedText, Match
from parley.core.chat.search_terms import terms_of, terms_of_query
from parley.core.chat.snippets import Snippet, snippet_of
from parley.core.text import check_text

QUERY_CHARACTERS = 200
BATCH = 200
# Bounds one sweep, which is repeated every second.
BATCHES_OF_A_SWEEP = 10
# What a search indexes first, at most: the latest writes of its account.
BATCH_OF_A_SEARCH = 100
INDEX_LEASE = "search_index"
INDEX_LEASE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class SearchCursor:
    """How many matches came before, among those that were indexed when the first page was read."""

    up_to: int
    skip: int


@dataclass(frozen=True, slots=True)
class Found:
    """A message with its room, or a room by its name."""

    room: Room
    message: Message | None
    snippet: Snippet


@dataclass(frozen=True, slots=True)
class FoundPage:
    """What was found, best first. `next_cursor` is None on the last page."""

    items: list[Found]
    next_cursor: SearchCursor | None


async def search(chat: ChatPorts, *, account_id: UUID, query: str, after: SearchCursor | None, limit: int) -> FoundPage:
    """Messages of the account and names of its rooms that have every word of `query`, best first.

    What the account wrote before is found, and so are its replies that have ended: what is not indexed yet is indexed
    first. A query without any letter, digit or pictograph finds nothing. Raises InvalidInput.
    """
    check_text("q", query, longest=QUERY_CHARACTERS)
    terms = terms_of_query(query)
    if not terms:
        return FoundPage([], None)
    if after is None:
        await _index_own(chat, account_id)
    async with chat.uow(read_only=True) as unit:
        start = after or SearchCursor(await unit.search.newest(), 0)
        found = await unit.search.find(account_id, terms, up_to=start.up_to, skip=start.skip, limit=limit + 1)
        matches = found[:limit]
        rooms = await unit.rooms.many({match.room_id for match in matches}, account_id)
        message_ids = {match.message_id for match in matches if match.message_id is not None}
        messages = await unit.messages.many(message_ids, account_id)
    more = len(found) > limit
    items = [_found(match, rooms, messages, query) for match in matches if match.room_id in rooms]
    return FoundPage(
        [item for item in items if item is not None],
        SearchCursor(start.up_to, start.skip + limit) if more else None,
    )


async def index_waiting(chat: ChatPorts) -> int:
    """Index what waits, and then what is older than the index, in batches; returns how many texts it indexed.

    One worker at a time does this.
    """
    async with chat.uow(read_only=True) as unit:
        if not await unit.search.is_behind(None):
            return 0
    async with chat.uow(single=True) as unit:
        if not await unit.leases.take(INDEX_LEASE, chat.worker_id, seconds=INDEX_LEASE_SECONDS):
            return 0
    indexed = 0
    for _ in range(BATCHES_OF_A_SWEEP):
        count = await _index_batch(chat, None, BATCH)
        indexed += count
        if count == 0 and not await _queue_older(chat):
            break
    return indexed


async def _index_own(chat: ChatPorts, account_id: UUID) -> None:
    async with chat.uow(read_only=True) as unit:
        if not await unit.search.is_behind(account_id):
            return
    await _index_batch(chat, account_id, BATCH_OF_A_SEARCH)


async def _index_batch(chat: ChatPorts, account_id: UUID | None, limit: int) -> int:
    async with chat.uow() as unit:
        waiting = await unit.search.waiting(account_id, limit=limit)
        texts = []
        for each in waiting:
            texts.append(IndexedText(each, tuple(terms_of(each.text))))
            # Long texts take milliseconds each: requests come in between.
            await asyncio.sleep(0)
        await unit.search.add(texts)
        await unit.commit()
    return len(texts)


async def _queue_older(chat: ChatPorts) -> bool:
    async with chat.uow() as unit:
        are_left = await unit.search.queue_older(limit=BATCH * BATCHES_OF_A_SWEEP)
        await unit.commit()
    return are_left


def _found(match: Match, rooms: dict[UUID, Room], messages: dict[UUID, Message], query: str) -> Found | None:
    """None for a message that was deleted meanwhile."""
    room = rooms[match.room_id]
    if match.message_id is None:
        return Found(room, None, snippet_of(room.name, query))
    message = messages.get(match.message_id)
    return None if message is None else Found(room, message, snippet_of(message.content, query))
