"""Shared copies in memory."""

from dataclasses import replace
from uuid import UUID

from parley.core.chat.model import Message
from parley.core.chat.share_store import Share, SharedMessage
from tests.fakes.database import Tables
from tests.fakes.messages import at, branch_to, head_of


class FakeShares:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def put(self, share: Share) -> Share:
        earlier = self._tables.shares.get(share.room_id)
        self._tables.shares[share.room_id] = share if earlier is None else replace(share, token=earlier.token)
        return self._tables.shares[share.room_id]

    async def of_room(self, room_id: UUID, account_id: UUID) -> Share | None:
        share = self._tables.shares.get(room_id)
        return share if share and self._tables.rooms[room_id][0].account_id == account_id else None

    async def remove(self, room_id: UUID) -> None:
        self._tables.shares.pop(room_id, None)

    async def find(self, token: str) -> Share | None:
        return next((share for share in self._tables.shares.values() if share.token == token), None)

    async def last_complete(self, room_id: UUID, account_id: UUID) -> int:  # noqa: ARG002  the port's signature
        last = 0
        for message in branch_to(self._tables, head_of(self._tables, room_id)):
            if not message.status.ended:
                break
            last = message.position
        return last

    async def messages(self, share: Share, *, skip: int, limit: int) -> list[SharedMessage]:
        branch = branch_to(self._tables, at(self._tables, share.room_id, share.last_position))
        return [_shared(message) for message in branch[skip : skip + limit]]


def _shared(message: Message) -> SharedMessage:
    return SharedMessage(message.role, message.content, message.status, message.model, message.finish_reason)
