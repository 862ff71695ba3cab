"""Limits on replies that an operator sets."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReplyLimits:
    """Durations are in seconds. `attempts` counts failures of the model, not lost workers."""

    first_token: float
    idle: float
    total: float
    attempts: int
    lease: float
    context_characters: int
    max_pending: int
