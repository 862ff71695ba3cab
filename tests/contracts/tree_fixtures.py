"""A room whose messages are a tree, over any store, with short names for what its owner does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from parley.core.chat.accepted import Accepted
from parley.core.chat.delete_message import delete_last_message
from parley.core.chat.given_messages import add_messages
from parley.core.chat.history import read_branch, read_from
from parley.core.chat.message_request import GivenMessage
from parley.core.chat.messages import edit_message, post_message, regenerate_reply
from parley.core.chat.model import Exchange, Message, Role, Room
from parley.core.chat.rooms import show_branch
from parley.core.chat.share_store import Share, SharedMessage
from parley.core.chat.sharing import end_sharing, read_share, read_shared, share_room
from parley.core.chat.tree import Head
from tests.contracts.chat_fixtures import MANY, Store


@dataclass(frozen=True)
class TreeRoom:
    store: Store
    room: Room

    async def post(
        self,
        content: str = "A question",
        parent: UUID | Head | None = Head.SHOWN,
        *,
        key: str | None = None,
        before: Sequence[tuple[Role, str]] = (),
    ) -> Accepted:
        return await post_message(
            self.store.chat_ports(limit=MANY),
            content=content,
            model=None,
            key=key,
            parent=parent,
            before=[GivenMessage(*each) for each in before],
            **self._of_room(),
        )

    async def give(self, *messages: tuple[Role, str]) -> list[Message]:
        given = [GivenMessage(*each) for each in messages]
        return await add_messages(self.store.chat_ports(), messages=given, **self._of_room())

    async def before(self, message: Message, *, limit: int) -> list[Message]:
        """The `limit` messages before this one on its branch, oldest first."""
        page = await read_branch(
            self.store.chat_ports(), before=message.position, through=message.id, limit=limit, **self._of_room()
        )
        return page.items

    async def edit(self, message: Message, content: str = "A better question", *, key: str | None = None) -> Accepted:
        return await edit_message(
            self.store.chat_ports(limit=MANY),
            message_id=message.id,
            content=content,
            model=None,
            key=key,
            **self._of_room(),
        )

    async def regenerate(self, reply: Message, *, key: str | None = None) -> Accepted:
        return await regenerate_reply(
            self.store.chat_ports(limit=MANY), reply_id=reply.id, model=None, key=key, **self._of_room()
        )

    async def show(self, message: Message) -> Room:
        return await show_branch(self.store.chat_ports(), message_id=message.id, **self._of_room())

    async def branch(
        self, through: Message | None = None, *, before: int | None = None, limit: int = 100
    ) -> list[UUID]:
        """The ids of a page."""
        page = await read_branch(
            self.store.chat_ports(),
            before=before,
            through=through and through.id,
            limit=limit,
            **self._of_room(),
        )
        return [message.id for message in page.items]

    async def walked(self, through: Message | None, *, limit: int) -> list[UUID]:
        """The ids of the whole branch, by pages of `limit`."""
        found: list[UUID] = []
        before = None
        while True:
            page = await read_branch(
                self.store.chat_ports(),
                before=before,
                through=through and through.id,
                limit=limit,
                **self._of_room(),
            )
            found = [message.id for message in page.items] + found
            before = page.next_cursor
            if before is None:
                return found

    async def walked_from(
        self, end: Literal["top", "bottom"], *, last: Message | None = None, limit: int
    ) -> list[UUID]:
        """The ids of the branch that ends with `last`, or is shown, from one of its ends on, by pages of `limit`."""
        found: list[UUID] = []
        while True:
            page = await self.read_from(end, last=last, after=found[-1] if found else None, limit=limit)
            assert len(page) <= limit
            found += [id_ for id_ in page if id_ not in found]
            if len(page) < limit:
                return found

    async def read_from(
        self, end: Literal["top", "bottom"], *, last: Message | None, after: UUID | None, limit: int = 100
    ) -> list[UUID]:
        page = await read_from(
            self.store.chat_ports(),
            last=last and last.position,
            after=after,
            limit=limit,
            newest_first=end == "bottom",
            **self._of_room(),
        )
        return [message.id for message in page]

    async def remove(self, message: Message) -> None:
        await delete_last_message(self.store.chat_ports(), message_id=message.id, **self._of_room())

    async def share(self) -> Share:
        return await share_room(self.store.chat_ports(), **self._of_room())

    async def shared(self) -> Share:
        return await read_share(self.store.chat_ports(), **self._of_room())

    async def end_sharing(self) -> None:
        await end_sharing(self.store.chat_ports(), **self._of_room())

    async def copied(self, token: str | None = None, *, limit: int = 100) -> list[SharedMessage]:
        """The whole copy, by pages of `limit`, which together have each message once."""
        found: list[SharedMessage] = []
        skip: int | None = 0
        while skip is not None:
            page = await read_shared(
                self.store.chat_ports(), token=token or (await self.shared()).token, skip=skip, limit=limit
            )
            found += page.items
            assert page.next_skip in (None, len(found))
            skip = page.next_skip
        return found

    async def message(self, message: Message) -> Message:
        found = await self.store.message(message, self.room.account_id)
        assert found is not None
        return found

    async def head(self) -> UUID | None:
        found = await self.store.see(lambda unit: unit.rooms.get(self.room.id, self.room.account_id))
        assert found is not None
        return found.head

    async def context(self, reply: Message, *, limit: int = 100) -> list[Exchange]:
        return await self.store.see(
            lambda unit: unit.messages.exchanges(self.room.id, last=reply.position, limit=limit)
        )

    def _of_room(self) -> dict[str, UUID]:
        return {"account_id": self.room.account_id, "room_id": self.room.id}


async def new_tree(store: Store) -> TreeRoom:
    return TreeRoom(store, await store.new_room())
