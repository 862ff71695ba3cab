"""A state machine over one room: whatever its owner, its workers and its sweeper do, its messages are one tree.

It notes what was answered, and compares that with the store after each step.
"""

import asyncio
import itertools
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from parley.core.chat.accepted import Accepted
from parley.core.chat.alternation import CONTINUE
from parley.core.chat.conversation import build_conversation, read_history
from parley.core.chat.end_reply import end_unclaimed_reply
from parley.core.chat.errors import NotAReply, NotTheLastMessage
from parley.core.chat.model import Claim, Ending, Message, ReplyError, Role, Status, Turn
from parley.core.chat.rooms import delete_room
from parley.core.chat.sweep import requeue_overdue
from parley.core.chat.tree import Head
from tests.contracts.chat_fixtures import MANY, NOW, Store
from tests.contracts.tree_fixtures import TreeRoom, new_tree

_Result = TypeVar("_Result")
FAILURE = ReplyError("model_refused", "No.")


@dataclass
class Known:
    """A message as it must be."""

    message: Message
    parent: UUID | None
    status: Status
    content: str


class TreeMachine(RuleBasedStateMachine):
    """`open_store` opens an empty store; subclasses set it."""

    open_store: ClassVar[Any]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.opened = AsyncExitStack()
        opening: AbstractAsyncContextManager[Store] = type(self).open_store()
        self.store = self.run(self.opened.enter_async_context(opening))
        self.tree: TreeRoom
        self.known: dict[UUID, Known] = {}
        self.shown: UUID | None = None
        self.said = 0
        self.copy: list[tuple[Status, str]] | None = None
        self.copy_ends_with: UUID | None = None

    def run(self, step: Coroutine[Any, Any, _Result]) -> _Result:
        return self.runner.run(step)

    def teardown(self) -> None:
        self.run(self.opened.aclose())
        self.runner.close()

    @initialize()
    def begin(self) -> None:
        self.tree = self.run(new_tree(self.store))
        self.known, self.shown, self.copy, self.copy_ends_with = {}, None, None, None

    # What the owner does.

    @rule(data=st.data(), kind=st.sampled_from(["head", "head", "anew", "reply"]))
    def send(self, data: st.DataObject, kind: str) -> None:
        parent: UUID | Head | None = Head.SHOWN if kind == "head" else None
        if kind == "reply" and self._any(Role.ASSISTANT):
            parent = self._some(data, Role.ASSISTANT)
        expected = self._head() if isinstance(parent, Head) else parent
        self._accepted(self.run(self.tree.post(self._text(), parent)), expected)

    @rule(roles=st.lists(st.sampled_from(Role), min_size=1, max_size=4))
    def give(self, roles: list[Role]) -> None:
        parent = self._head()
        for added in self.run(self.tree.give(*((role, self._text()) for role in roles))):
            self._add(added, parent)
            parent = added.id

    @rule(data=st.data(), roles=st.lists(st.sampled_from(Role), min_size=1, max_size=3))
    def send_behind_others(self, data: st.DataObject, roles: list[Role]) -> None:
        parent = self._some(data, Role.ASSISTANT) if self._any(Role.ASSISTANT) else Head.SHOWN
        above = self._head() if isinstance(parent, Head) else parent
        texts = [(role, self._text()) for role in roles]
        accepted = self.run(self.tree.post(self._text(), parent, before=texts))
        found = self.run(self.tree.before(accepted.question, limit=len(texts)))
        assert [(each.role, each.content) for each in found] == texts
        for each in found:
            self._add(each, above)
            above = each.id
        self._accepted(accepted, above)

    @precondition(lambda self: self._any(Role.USER))
    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        known = self.known[self._some(data, Role.USER)]
        self._accepted(self.run(self.tree.edit(known.message, self._text())), known.parent)

    @precondition(lambda self: self._any(Role.ASSISTANT))
    @rule(data=st.data())
    def regenerate(self, data: st.DataObject) -> None:
        known = self.known[self._some(data, Role.ASSISTANT)]
        if known.parent is None or self.known[known.parent].message.role is not Role.USER:
            with pytest.raises(NotAReply):
                self.run(self.tree.regenerate(known.message))
            return
        accepted = self.run(self.tree.regenerate(known.message))
        assert accepted.question.id == known.parent
        self._add(accepted.reply, accepted.question.id)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def switch(self, data: st.DataObject) -> None:
        chosen = data.draw(st.sampled_from(list(self.known)))
        message, path = self.known[chosen].message, self._path(chosen)
        assert self.run(self.tree.walked_from("top", last=message, limit=5)) == path
        assert self.run(self.tree.walked_from("bottom", last=message, limit=5)) == path[::-1]
        below = [id_ for id_ in self.known if chosen in self._path(id_)]
        room = self.run(self.tree.show(message))
        self.shown = below[-1]
        assert room.head == self.shown

    @rule()
    def share(self) -> None:
        self.run(self.tree.share())
        head = self._head()
        shown = [] if head is None else [self.known[id_] for id_ in self._path(head)]
        complete = itertools.takewhile(lambda known: known.status.ended, shown)
        ids = [known.message.id for known in complete]
        self.copy = [(self.known[id_].status, self.known[id_].content) for id_ in ids]
        self.copy_ends_with = ids[-1] if ids else None

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        head = self._head()
        chosen = self.known[data.draw(st.sampled_from([head, head, *self.known]))]
        alike = [id_ for id_, known in self.known.items() if known.parent == chosen.parent]
        if chosen.message.id != head or not chosen.status.ended or len(alike) > 1 or chosen.parent is None:
            with pytest.raises(NotTheLastMessage):
                self.run(self.tree.remove(chosen.message))
            return
        self.run(self.tree.remove(chosen.message))
        del self.known[chosen.message.id]
        self.shown = chosen.parent
        if self.copy_ends_with == chosen.message.id:
            self.copy, self.copy_ends_with = (self.copy or [])[:-1], chosen.parent

    @precondition(lambda self: self._unfinished())
    @rule(data=st.data())
    def stop(self, data: st.DataObject) -> None:
        reply = self.known[data.draw(st.sampled_from(self._unfinished()))]
        ending = Ending(Status.STOPPED, "", NOW)
        if self.run(end_unclaimed_reply(self.store.chat_ports(limit=MANY), reply.message.id, ending)):
            reply.status = Status.STOPPED

    @precondition(lambda self: len(self.known) > 20)
    @rule()
    def delete(self) -> None:
        room = self.tree.room
        self.run(delete_room(self.store.chat_ports(), account_id=room.account_id, room_id=room.id))
        assert self.run(self.store.overdue(patience=0)) == []
        self.begin()

    # What workers do.

    @precondition(lambda self: self._unfinished())
    @rule(status=st.sampled_from([Status.COMPLETED, Status.COMPLETED, Status.STOPPED, Status.FAILED]))
    def write(self, status: Status) -> None:
        for waiting in self._unfinished()[1:]:
            assert self.run(self.store.claimed(waiting)) is None
        reply = self.known[self._unfinished()[0]]
        claim = self.run(self.store.claimed(reply.message.id))
        assert claim is not None
        assert self.run(self._context(claim)) == self._expected_context(reply.message.id)
        text = "" if status is Status.FAILED else f"answer {claim.position}"
        error = FAILURE if status is Status.FAILED else None
        assert self.run(self.store.end(claim, Ending(status, text, NOW, error=error)))
        assert not self.run(self.store.end(claim, Ending(Status.COMPLETED, "again", NOW)))
        reply.status, reply.content = status, text

    @precondition(lambda self: self._unfinished())
    @rule()
    def crash(self) -> None:
        reply = self.known[self._unfinished()[0]]
        claim = self.run(self.store.claimed(reply.message.id, lease=0))
        assert claim is not None
        reply.status = Status.GENERATING

    @rule()
    def sweep(self) -> None:
        self.run(requeue_overdue(self.store.chat_ports()))
        assert self.run(self.store.overdue(patience=0)) == self._unfinished()[:1]

    # What must hold.

    @invariant()
    def messages_are_one_tree(self) -> None:
        room = self.tree.room
        found = self.run(
            self.store.see(lambda unit: unit.messages.page(room.id, room.account_id, before=None, limit=MANY))
        )
        assert [(each.id, each.parent_id, each.status, each.content) for each in found] == [
            (id_, known.parent, known.status, known.content) for id_, known in self.known.items()
        ]
        reached = [each for each in found if each.parent_id is None]
        for each in reached:
            reached += [child for child in found if child.parent_id == each.id]
        assert sorted(each.position for each in reached) == [each.position for each in found]
        for each in found:
            siblings = [other for other in self.known if self.known[other].parent == each.parent_id]
            index = siblings.index(each.id)
            assert (each.siblings.index, each.siblings.count) == (index, len(siblings))
            assert list(each.siblings.ids) == siblings[max(0, index - 25) : index + 25]

    @invariant()
    def the_branch_that_is_shown_is_the_path_to_the_head(self) -> None:
        assert self.run(self.tree.head()) == self._head()
        head = self._head()
        path = [] if head is None else self._path(head)
        assert self.run(self.tree.walked(None, limit=7)) == path
        assert self.run(self.tree.walked_from("top", limit=7)) == path

    @invariant()
    def the_shared_copy_stays_as_it_was_made(self) -> None:
        if self.copy is not None:
            found = self.run(self.tree.copied(limit=5))
            assert [(message.status, message.content) for message in found] == self.copy

    # The tree as it must be.

    def _accepted(self, accepted: Accepted, parent: UUID | None) -> None:
        self._add(accepted.question, parent)
        self._add(accepted.reply, accepted.question.id)

    def _add(self, message: Message, parent: UUID | None) -> None:
        assert message.parent_id == parent
        self.known[message.id] = Known(message, parent, message.status, message.content)
        self.shown = None

    def _text(self) -> str:
        self.said += 1
        return f"question {self.said}"

    def _any(self, role: Role) -> bool:
        return any(known.message.role is role for known in self.known.values())

    def _some(self, data: st.DataObject, role: Role) -> UUID:
        return data.draw(st.sampled_from([id_ for id_, known in self.known.items() if known.message.role is role]))

    def _head(self) -> UUID | None:
        return self.shown or (list(self.known)[-1] if self.known else None)

    def _path(self, id_: UUID) -> list[UUID]:
        parent = self.known[id_].parent
        return [*([] if parent is None else self._path(parent)), id_]

    def _unfinished(self) -> list[UUID]:
        return [id_ for id_, known in self.known.items() if not known.status.ended]

    async def _context(self, claim: Claim) -> list[Turn]:
        async with self.store.chat(read_only=True) as unit:
            history = await read_history(unit, claim, characters=1_000_000)
        assert history is not None
        return list(build_conversation(history).turns)

    def _expected_context(self, reply_id: UUID) -> list[Turn]:
        path = [self.known[id_] for id_ in self._path(reply_id)]
        left_out = {each.parent for each in path if each.status is Status.FAILED}
        turns: list[Turn] = []
        for each in path[:-1]:
            role, text = each.message.role, each.content
            if each.status is Status.FAILED or each.message.id in left_out or not text:
                continue
            if turns and turns[-1].role is role:
                turns[-1] = Turn(role, f"{turns[-1].content}\n\n{text}")
            else:
                turns.append(Turn(role, text))
        return turns if turns[0].role is Role.USER else [Turn(Role.USER, CONTINUE), *turns]
