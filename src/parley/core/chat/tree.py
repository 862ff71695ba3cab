"""A room's messages as a tree: what says where a message is in it."""

from dataclasses import dataclass
from enum import Enum
from uuid import UUID

SIBLINGS_SHOWN = 50


class Head(Enum):
    """The head of a room at the time when a new message is accepted."""

    SHOWN = "head"


@dataclass(frozen=True, slots=True)
class Siblings:
    """The messages with the same parent in the same room, in order of their creation, which never changes.

    `index` is that of the message itself, from 0. `ids` are those around it, SIBLINGS_SHOWN at most, itself included.
    """

    index: int
    count: int
    ids: tuple[UUID, ...]
