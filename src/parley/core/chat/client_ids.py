"""The port of ids that clients make themselves, for their rooms and messages."""

from typing import Protocol
from uuid import UUID

CLIENT_ID_CHARACTERS = 255


class ClientIds(Protocol):
    """A room has one id of its client at most, unique in its account. Versions of a message have the same one."""

    async def room(self, account_id: UUID, external_id: str) -> UUID | None:
        """The account's room with that id."""

    async def give_room(self, room_id: UUID, external_id: str) -> None:
        """To be called in a unit of work that has locked the account and found no room with that id."""

    async def message(self, room_id: UUID, external_id: str) -> UUID | None:
        """The newest of the room's messages with that id."""

    async def give_message(self, message_id: UUID, external_id: str) -> None:
        """Store the client's id of a message of parley; not required to be unique in the room."""

    async def newest_reply(self, room_id: UUID, question_id: UUID) -> UUID | None:
        """The newest reply to a user's message. None if the room has no such message."""
