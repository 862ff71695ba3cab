"""Feedback on replies."""

from dataclasses import dataclass
from enum import Enum


class Rating(str, Enum):
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the account thinks of a reply."""

    rating: Rating
    comment: str | None = None
