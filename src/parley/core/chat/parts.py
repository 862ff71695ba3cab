"""The parts of a message: what its author wrote, by kind and in order."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from itertools import groupby


class PartKind(str, Enum):
    REASONING = "reasoning"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Part:
    """A passage of one kind. Only text is the message's content; reasoning is what a model thought meanwhile."""

    kind: PartKind
    text: str


def join_parts(parts: Iterable[Part]) -> tuple[Part, ...]:
    """The same passages, with neighbours of one kind joined and empty ones left out."""
    runs = groupby((part for part in parts if part.text), key=lambda part: part.kind)
    return tuple(Part(kind, "".join(part.text for part in run)) for kind, run in runs)


def text_of(parts: Iterable[Part]) -> str:
    """The content of a message with these parts."""
    return "".join(part.text for part in parts if part.kind is PartKind.TEXT)


def parts_with(content: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts, or the content as the only one if there are none. Raises ValueError if the two disagree."""
    if not parts and content:
        return (Part(PartKind.TEXT, content),)
    if text_of(parts) != content:
        raise ValueError("the parts have another text than the content")
    return parts
