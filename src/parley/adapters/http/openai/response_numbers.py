"""Sequence numbers of a response's events: positions in its reply, from which any process can go on.

Decision 27 says why.
"""

from dataclasses import dataclass
from enum import IntEnum

from parley.core.chat.parts import PartKind

# Together with 15 bits of the attempt, 53: what a number of JavaScript holds. An offset is below a million.
_INDEX_BITS, _OFFSET_BITS, _STEP_BITS = 14, 20, 4
_REASONING = 8
LARGEST_NUMBER = 2**53 - 1


class Step(IntEnum):
    """What happens at one offset, in order. The first four are the delta that ends there, or an item's end there.

    At offset 0, where no delta ends, the first three are the response's beginning.
    """

    DELTA = 0
    TEXT_DONE = 1
    PART_DONE = 2
    ITEM_DONE = 3
    ITEM_ADDED = 4
    PART_ADDED = 5
    ITEM_LOST = 6
    ENDED = 7


CREATED, QUEUED, IN_PROGRESS = range(3)


@dataclass(frozen=True, slots=True)
class Position:
    """An event's position: the attempt, the item's `output_index`, and how many characters of the attempt precede it.

    `kind` is the item's.
    """

    attempt: int
    index: int
    offset: int
    kind: PartKind
    step: Step

    @property
    def number(self) -> int:
        """Grows with every event of a response. Below 2^31 for the first attempt with up to 128 items."""
        number = (self.attempt - 1) << _INDEX_BITS | self.index
        number = number << _OFFSET_BITS | self.offset
        return number << _STEP_BITS | (_REASONING if self.kind is PartKind.REASONING else 0) | self.step

    @classmethod
    def of(cls, number: int) -> "Position | None":
        """None for an event before the first attempt."""
        if number <= IN_PROGRESS:
            return None
        step, rest = number & (_REASONING - 1), number >> _STEP_BITS
        kind = PartKind.REASONING if number & _REASONING else PartKind.TEXT
        offset, rest = rest & (1 << _OFFSET_BITS) - 1, rest >> _OFFSET_BITS
        return cls((rest >> _INDEX_BITS) + 1, rest & (1 << _INDEX_BITS) - 1, offset, kind, Step(step))
