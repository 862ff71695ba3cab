"""The port of the search index. The database itself notes what is to be indexed: ended messages and names of rooms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from parley.core.chat.search_terms import Term

# Of more matches the newest are ranked, by the order in which they were indexed.
RANKED = 500


@dataclass(frozen=True, slots=True)
class WaitingText:
    """A text that is not indexed yet, or changed since: a message, or at position 0 the name of its room."""

    account_id: UUID
    room_id: UUID
    position: int
    text: str


@dataclass(frozen=True, slots=True)
class IndexedText:
    """A text and its terms, in their order. Without terms it cannot be found."""

    waiting: WaitingText
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """What was found: a message, or a room by its name."""

    room_id: UUID
    message_id: UUID | None


class SearchIndex(Protocol):
    """Finds messages and rooms by their terms. Rows of a room or an account that is deleted go with it."""

    async def is_behind(self, account_id: UUID | None) -> bool:
        """Whether a text of the account waits to be indexed. None: of any account, or what `queue_older` would find."""

    async def waiting(self, account_id: UUID | None, *, limit: int) -> list[WaitingText]:
        """Up to `limit` texts that wait, of one account or of all, which stay locked until the unit of work ends.

        Those that another unit of work has locked are left out, and what waits for a deleted room is forgotten.
        """

    async def add(self, texts: Sequence[IndexedText]) -> None:
        """Index texts that `waiting` returned in this unit of work, in place of what was indexed of each before."""

    async def queue_older(self, *, limit: int) -> bool:
        """Let the next `limit` messages wait that are older than the index. False if there are none left."""

    async def newest(self) -> int:
        """The number of the latest indexed text; numbers only grow."""

    async def find(self, account_id: UUID, terms: Sequence[Term], *, up_to: int, skip: int, limit: int) -> list[Match]:
        """Texts of the account with all `terms`, best first, after the first `skip`.

        The rank grows with the number of occurrences and falls with the length of the text; names of rooms come before
        messages, later texts before earlier ones of equal rank. Texts with a number above `up_to` are left out. Of
        more than RANKED the newest are ranked, and the others not found.
        """
