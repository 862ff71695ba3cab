"""The search index in memory. What waits is what differs from the messages and rooms: no trigger is needed."""

import math
from collections.abc import Sequence
from uuid import UUID

from parley.core.chat.search_store import RANKED, IndexedText, Match, WaitingText
from parley.core.chat.search_terms import SEARCHED_CHARACTERS, Term
from tests.fakes.database import Tables


class FakeSearchIndex:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def is_behind(self, account_id: UUID | None) -> bool:
        return bool(self._waiting(account_id))

    async def waiting(self, account_id: UUID | None, *, limit: int) -> list[WaitingText]:
        return self._waiting(account_id)[:limit]

    async def add(self, texts: Sequence[IndexedText]) -> None:
        newest = await self.newest()
        for number, text in enumerate(texts, newest + 1):
            self._tables.search_texts[text.waiting.room_id, text.waiting.position] = (number, text)

    async def queue_older(self, *, limit: int) -> bool:  # noqa: ARG002  nothing is older
        return False

    async def newest(self) -> int:
        return max((number for number, _ in self._tables.search_texts.values()), default=0)

    async def find(self, account_id: UUID, terms: Sequence[Term], *, up_to: int, skip: int, limit: int) -> list[Match]:
        found = [
            (number, text)
            for number, text in sorted(self._tables.search_texts.values(), key=lambda each: -each[0])
            if number <= up_to
            and self._owner(text.waiting.room_id) == account_id
            and all(_occurrences(text, term) for term in terms)
        ]
        found = found[:RANKED]
        found.sort(key=lambda each: _rank(each[1], terms), reverse=True)
        return [self._match(text.waiting) for _, text in found[skip : skip + limit]]

    def _match(self, found: WaitingText) -> Match:
        ids = {(message.room_id, message.position): message.id for message in self._tables.messages.values()}
        return Match(found.room_id, ids.get((found.room_id, found.position)))

    def _waiting(self, account_id: UUID | None) -> list[WaitingText]:
        names = [
            WaitingText(room.account_id, room.id, 0, room.name[:SEARCHED_CHARACTERS])
            for room, _ in self._tables.rooms.values()
            if room.id not in self._tables.prompts
        ]
        texts = [
            WaitingText(self._owner(each.room_id), each.room_id, each.position, each.content[:SEARCHED_CHARACTERS])
            for each in self._tables.messages.values()
            if each.status.ended and each.room_id not in self._tables.prompts
        ]
        known = {text.waiting for _, text in self._tables.search_texts.values()}
        return [each for each in [*names, *texts] if account_id in {None, each.account_id} and each not in known]

    def _owner(self, room_id: UUID) -> UUID | None:
        found = self._tables.rooms.get(room_id)
        return None if found is None else found[0].account_id


def _occurrences(text: IndexedText, term: Term) -> int:
    return sum(each.startswith(term.text) if term.is_prefix else each == term.text for each in text.terms)


def _rank(text: IndexedText, terms: Sequence[Term]) -> tuple[bool, float]:
    occurrences = sum(_occurrences(text, term) for term in terms)
    return text.waiting.position == 0, occurrences / (1 + math.log(len(text.terms)))
