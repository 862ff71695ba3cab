"""An auditor that checks every commit against accounts of its own."""

from collections import Counter
from datetime import date
from itertools import groupby
from uuid import UUID

from parley.core.billing.model import DayUsage
from parley.core.chat.model import Conversation, Message, Role, Status, Turn
from parley.core.plans import BASIC
from parley.core.ports import Clock
from tests.fakes.database import FakeDatabase, Tables

LEGAL = {
    Status.PENDING: {Status.PENDING, Status.GENERATING, Status.STOPPED},
    Status.GENERATING: {Status.PENDING, Status.GENERATING, Status.COMPLETED, Status.STOPPED, Status.FAILED},
}


class Audit:
    """Violations are collected, not raised: the task that commits may be one that is not awaited."""

    def __init__(self, *, clock: Clock, basic_limit: int) -> None:
        self.complaints: list[str] = []
        self._clock = clock
        self._basic_limit = basic_limit
        self._charged: dict[UUID, tuple[UUID, date]] = {}
        self._used: Counter[tuple[UUID, date]] = Counter()
        self._input_tokens: Counter[tuple[UUID, date]] = Counter()
        self._output_tokens: Counter[tuple[UUID, date]] = Counter()

    def expect(self, holds: object, promise: str, *evidence: object) -> None:
        if not holds:
            self.complaints.append(" | ".join([promise, *map(str, evidence)]))

    def check_commit(self, before: Tables, after: Tables) -> None:
        for message in after.messages.values():
            was = before.messages.get(message.id)
            if was is None and message.role is Role.ASSISTANT:
                self._check_acceptance(message, before, after)
            elif was is not None and was != message:
                self._check_change(was, message, before)
        gone = (message for key, message in before.messages.items() if key not in after.messages)
        self.expect(all(message.room_id not in after.rooms for message in gone), "no message is lost")
        self._check_rooms(after)
        self._check_books(after)

    def check_conversation(self, tables: Tables, reply_id: UUID, conversation: Conversation) -> None:
        """A model is asked for the reply, and must get all earlier exchanges that have not failed, and no other."""
        reply = tables.messages.get(reply_id)
        if reply is None:
            return
        earlier = [message for message in in_room(tables, reply.room_id) if message.position < reply.position]
        failed = {message.reply_to for message in earlier if message.status is Status.FAILED}
        told = (message for message in earlier if message.id not in failed and message.reply_to not in failed)
        runs = groupby((message for message in told if message.content), key=lambda message: message.role)
        turns = tuple(Turn(role, "\n\n".join(message.content for message in run)) for role, run in runs)
        self.expect(all(message.status.ended for message in earlier), "earlier replies have ended", earlier)
        self.expect(conversation.turns == turns, "a model gets the conversation", conversation.turns, turns)

    def _check_acceptance(self, reply: Message, before: Tables, after: Tables) -> None:
        room, _ = after.rooms[reply.room_id]
        account_day = room.account_id, reply.created_at.date()
        self._charged[reply.id] = account_day
        self._used[account_day] += 1
        question = after.messages.get(reply.reply_to) if reply.reply_to else None
        self.expect(
            question is not None and question.position == reply.position - 1,
            "a reply follows its message",
            reply,
            question,
        )
        last = max((message.position for message in in_room(before, room.id)), default=0)
        self.expect(question is not None and question.position > last, "positions grow", question, last)
        fresh = (reply.status, reply.attempt, reply.content) == (Status.PENDING, 0, "")
        self.expect(fresh, "a reply begins pending", reply)
        if after.plans.get(room.account_id, BASIC) == BASIC:
            self.expect(self._used[account_day] <= self._basic_limit, "no more than the limit", self._used[account_day])

    def _check_change(self, was: Message, now: Message, before: Tables) -> None:
        self.expect(now.status in LEGAL.get(was.status, ()), "only legal changes of status", was, now)
        same = all(
            getattr(was, field) == getattr(now, field)
            for field in ("role", "room_id", "position", "reply_to", "model", "created_at")
        )
        self.expect(same, "only what is being written changes", was, now)
        if now.attempt != was.attempt:
            free = before.replies[was.id].claimable_at <= self._clock() or now.status is Status.STOPPED
            taken = now.attempt == was.attempt + 1 and now.status in {Status.GENERATING, Status.STOPPED}
            held = was.status is Status.GENERATING and before.replies[was.id].claimable_at > self._clock()
            self.expect(taken and free and not held, "only a reply without a lease is claimed", was, now)
        else:
            self.expect(was.status is Status.GENERATING, "only a claim begins an attempt", was, now)
        if now.status.ended:
            self._check_end(now)
        else:
            blank = (now.content, now.usage, now.error, now.completed_at) == ("", None, None, None)
            self.expect(blank, "an unfinished reply has no text", now)

    def _check_end(self, reply: Message) -> None:
        account_day = self._charged[reply.id]
        self.expect(reply.completed_at is not None, "an ended reply has a time", reply)
        self.expect(
            (reply.error is not None) == (reply.status is Status.FAILED), "only a failed reply has an error", reply
        )
        if reply.status is Status.FAILED:
            self._used[account_day] -= 1
        if reply.usage is not None:
            self._input_tokens[account_day] += reply.usage.input_tokens
            self._output_tokens[account_day] += reply.usage.output_tokens

    def _check_rooms(self, tables: Tables) -> None:
        for room_id in tables.rooms:
            messages = in_room(tables, room_id)
            asked = [message.id for message in messages if message.role is Role.USER]
            answered = [message.reply_to for message in messages if message.role is Role.ASSISTANT]
            self.expect(asked == answered, "every message has exactly one reply", messages)
            unfinished = [message.status for message in messages if not message.status.ended]
            in_turn = all(status is Status.PENDING for status in unfinished[1:])
            self.expect(in_turn, "the replies of a room are written in order", messages)

    def _check_books(self, tables: Tables) -> None:
        for account_day in self._used.keys() | tables.usage_days.keys():
            found = tables.usage_days.get(account_day, DayUsage(account_day[1], 0, 0, 0))
            counted = self._input_tokens[account_day] + self._output_tokens[account_day]
            expected = (self._used[account_day], counted)
            as_counted = (found.used, found.tokens - found.estimated_tokens)
            self.expect(as_counted == expected, "used is accepted less failed, and tokens add up", found, expected)


class WatchedDatabase(FakeDatabase):
    """Reports every commit to an auditor."""

    def __init__(self, audit: Audit, clock: Clock) -> None:
        self._audit = audit
        self._tables = Tables()
        super().__init__(clock)

    @property
    def committed(self) -> Tables:
        return self._tables

    @committed.setter
    def committed(self, tables: Tables) -> None:
        before, self._tables = self._tables, tables
        self._audit.check_commit(before, tables)


def in_room(tables: Tables, room_id: UUID) -> list[Message]:
    found = (message for message in tables.messages.values() if message.room_id == room_id)
    return sorted(found, key=lambda message: message.position)
