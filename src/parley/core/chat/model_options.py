"""How an answer is to be written."""

from dataclasses import dataclass

HOTTEST = 2.0
MOST_STOPS = 4
STOP_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Wishes for an answer, which reach a model as far as its provider takes them; None leaves it to the provider.

    `temperature` is from 0 to HOTTEST, `top_p` from 0 to 1. `max_tokens` bounds the answer, its reasoning included. The
    answer ends before any of the texts of `stop`, at most MOST_STOPS. Equal requests with the same `seed` may be
    answered equally.
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
