"""Messages in memory: the tree is what their parents say."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from parley.core.chat.model import Charge, Exchange, Message, Role
from parley.core.chat.rating import Feedback
from parley.core.chat.tree import SIBLINGS_SHOWN, Head, Siblings
from parley.core.ports import Clock
from tests.fakes.database import ReplyState, Tables


def head_of(tables: Tables, room_id: UUID, *, last_position: int | None = None) -> Message | None:
    """The head that a room has, or had when `last_position` was its last one."""
    if last_position is None:
        last_position = tables.rooms[room_id][1]
    position, since = tables.shown.get(room_id, (0, None))
    return at(tables, room_id, position if since == last_position else last_position)


def at(tables: Tables, room_id: UUID, position: int | None) -> Message | None:
    found = (each for each in tables.messages.values() if each.room_id == room_id and each.position == position)
    return next(found, None)


def branch_to(tables: Tables, message: Message | None) -> list[Message]:
    """The message and those before it on its branch, from the root down."""
    branch = []
    while message is not None:
        branch.append(message)
        message = None if message.parent_id is None else tables.messages[message.parent_id]
    return branch[::-1]


class FakeMessages:
    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._tables = tables
        self._clock = clock

    async def add_exchange(
        self,
        question: Message,
        reply: Message,
        *,
        account_id: UUID,
        charge: Charge,
        most_pending: int,
        after: int | Head | None = Head.SHOWN,
    ) -> tuple[Message, Message] | None:
        if self._pending(account_id) >= most_pending:
            return None
        if isinstance(after, Head):
            parent = head_of(self._tables, question.room_id, last_position=question.position - 1)
        else:
            parent = at(self._tables, question.room_id, after)
        question = replace(question, parent_id=parent and parent.id)
        self._tables.messages[question.id] = question
        return self._with_siblings(question), self._add(replace(reply, parent_id=question.id), account_id, charge)

    async def add_reply(
        self, reply: Message, *, account_id: UUID, charge: Charge | None, most_pending: int, after: int
    ) -> Message | None:
        if self._pending(account_id) >= most_pending:
            return None
        parent = at(self._tables, reply.room_id, after)
        return self._add(replace(reply, parent_id=parent and parent.id), account_id, charge)

    async def add_given(self, message: Message, *, account_id: UUID, after: int | Head | None, tokens: int) -> Message:
        if not self._owns(account_id, message.room_id):
            raise KeyError(message.room_id)
        if isinstance(after, Head):
            parent = head_of(self._tables, message.room_id, last_position=message.position - 1)
        else:
            parent = at(self._tables, message.room_id, after)
        message = replace(message, parent_id=parent and parent.id)
        if message.role is Role.ASSISTANT and parent is not None and parent.role is Role.USER:
            message = replace(message, reply_to=parent.id)
        self._tables.messages[message.id] = message
        self._tables.given_tokens[message.id] = tokens
        return self._with_siblings(message)

    def _add(self, reply: Message, account_id: UUID, charge: Charge | None) -> Message:
        now = self._clock()
        self._tables.messages[reply.id] = reply
        self._tables.replies[reply.id] = ReplyState(
            reply.room_id,
            account_id,
            charge and charge.on,
            now,
            now,
            reserved=charge.tokens if charge else 0,
            plan=charge and charge.plan,
        )
        return self._with_siblings(reply)

    def _pending(self, account_id: UUID) -> int:
        unfinished = (message for message in self._tables.messages.values() if not message.status.ended)
        return sum(self._tables.replies[message.id].account_id == account_id for message in unfinished)

    async def get(self, message_id: UUID, room_id: UUID, account_id: UUID) -> Message | None:
        message = self._tables.messages.get(message_id)
        if message is None or message.room_id != room_id or not self._owns(account_id, room_id):
            return None
        return self._with_siblings(message)

    async def rate(self, message_id: UUID, room_id: UUID, account_id: UUID, feedback: Feedback | None) -> bool:
        if await self.get(message_id, room_id, account_id) is None:
            return False
        self._tables.messages[message_id] = replace(self._tables.messages[message_id], feedback=feedback)
        return True

    async def many(self, message_ids: Collection[UUID], account_id: UUID) -> dict[UUID, Message]:
        return {
            message_id: self._with_siblings(self._tables.messages[message_id])
            for message_id in message_ids
            if await self.owner(message_id) == account_id
        }

    async def owner(self, message_id: UUID) -> UUID | None:
        message = self._tables.messages.get(message_id)
        return None if message is None else self._tables.rooms[message.room_id][0].account_id

    async def exchange(self, reply_id: UUID) -> tuple[Message, Message] | None:
        reply = self._tables.messages.get(reply_id)
        if reply is None or reply.reply_to is None:
            return None
        question = self._tables.messages[reply.reply_to]
        return self._with_siblings(question, until=reply.position), self._with_siblings(reply, until=reply.position)

    async def page(self, room_id: UUID, account_id: UUID, *, before: int | None, limit: int) -> list[Message]:
        if not self._owns(account_id, room_id):
            return []
        found = [message for message in self._of_room(room_id) if before is None or message.position < before]
        return [self._with_siblings(message) for message in found[-limit:]]

    async def branch_to(self, room_id: UUID, account_id: UUID, *, last: int | None, limit: int) -> list[Message]:
        if not self._owns(account_id, room_id):
            return []
        message = head_of(self._tables, room_id) if last is None else at(self._tables, room_id, last)
        return [self._with_siblings(each) for each in branch_to(self._tables, message)[-limit:]]

    async def branch_after(
        self, room_id: UUID, account_id: UUID, *, after: int, last: int | None, limit: int
    ) -> list[Message]:
        branch = await self.branch_to(room_id, account_id, last=last, limit=len(self._tables.messages))
        return [each for each in branch if each.position > after][:limit]

    async def remove(self, message: Message, *, after: int) -> None:
        tables, room_id, position = self._tables, message.room_id, message.position
        del tables.messages[message.id]
        tables.replies.pop(message.id, None)
        tables.reply_settings.pop(message.id, None)
        tables.search_texts.pop((room_id, position), None)
        copy = tables.shares.get(room_id)
        if copy is not None and copy.last_position == position:
            tables.shares[room_id] = replace(copy, last_position=after)

    async def branch_tokens(self, room_id: UUID, *, last: int | Head | None, before: int) -> int | None:
        head = head_of(self._tables, room_id, last_position=before - 1)
        message = head if isinstance(last, Head) else at(self._tables, room_id, last)
        tokens = self._tokens_up_to(message)
        if tokens is None and message is not None and message.parent_id is not None:
            return self._tokens_up_to(self._tables.messages[message.parent_id])
        return tokens

    def _tokens_up_to(self, message: Message | None) -> int | None:
        if message is None or message.id not in self._tables.replies:
            return None if message is None else self._tables.given_tokens.get(message.id)
        usage = message.usage
        if usage is None or usage.input_tokens is None or usage.output_tokens is None:
            return self._tables.replies[message.id].reserved or None
        reasoning = usage.reasoning_tokens or 0
        return usage.input_tokens + usage.output_tokens - (reasoning if reasoning <= usage.output_tokens else 0)

    async def newest_below(self, room_id: UUID, position: int) -> int:
        below = {position}
        for message in self._of_room(room_id):
            parent = message.parent_id and self._tables.messages[message.parent_id]
            if parent and parent.position in below:
                below.add(message.position)
        return max(below)

    async def after(self, room_id: UUID, position: int, *, limit: int) -> list[Message]:
        found = [message for message in self._of_room(room_id) if message.position > position]
        return [self._with_siblings(message) for message in found[:limit]]

    async def exchanges(self, room_id: UUID, *, last: int, limit: int) -> list[Exchange]:
        exchanges: list[Exchange] = []
        for message in branch_to(self._tables, at(self._tables, room_id, last)):
            if message.role is Role.USER:
                exchanges.append(Exchange(message.position, message.content, None, message.status))
                continue
            question = exchanges.pop().question if message.reply_to is not None else None
            exchanges.append(Exchange(message.position, question, message.content or None, message.status))
        return exchanges[::-1][:limit]

    def _owns(self, account_id: UUID, room_id: UUID) -> bool:
        return room_id in self._tables.rooms and self._tables.rooms[room_id][0].account_id == account_id

    def _with_siblings(self, message: Message, *, until: int | None = None) -> Message:
        ids = [
            each.id
            for each in self._of_room(message.room_id)
            if each.parent_id == message.parent_id and (until is None or each.position <= until)
        ]
        index = ids.index(message.id)
        around = ids[max(0, index - SIBLINGS_SHOWN // 2) : index + SIBLINGS_SHOWN // 2]
        return replace(message, siblings=Siblings(index, len(ids), tuple(around)))

    def _of_room(self, room_id: UUID) -> list[Message]:
        found = (message for message in self._tables.messages.values() if message.room_id == room_id)
        return sorted(found, key=lambda message: message.position)
