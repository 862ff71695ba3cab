"""What one account may store in its rooms; messages have a quota of their own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RoomLimits:
    """The largest number of rooms, and of bytes of the instructions of all of them, in UTF-8."""

    rooms: int = 10_000
    # Hundreds of the longest instructions.
    instruction_bytes: int = 10_000_000
