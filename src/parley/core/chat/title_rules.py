"""What an operator decides of titles."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TitleRules:
    """Whether models write titles, and which one does: one on offer, or None for the model of each room."""

    are_written: bool = True
    model: str | None = None
