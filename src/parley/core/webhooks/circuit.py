"""Whether a process sends to an endpoint now: one that is down costs one attempt in a while, not one for each event."""

from collections.abc import Callable

FAILURES_IN_A_ROW = 5
FIRST_PAUSE_SECONDS = 10.0
LONGEST_PAUSE_SECONDS = 300.0
# An endpoint that asks for a longer pause, or says that it is gone, is asked again after this time anyway.
LONGEST_REQUESTED_SECONDS = 3_600.0


class Circuit:
    """Pauses after FAILURES_IN_A_ROW, each time twice as long until something is delivered. `clock` is monotonic."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._next_pause = FIRST_PAUSE_SECONDS
        self._paused_until: float | None = None

    def allowed(self, most: int) -> int:
        """How many deliveries may be tried now: `most`; after a pause one; during a pause none."""
        if self._paused_until is None:
            return most
        return 1 if self._clock() >= self._paused_until else 0

    def succeeded(self) -> bool:
        """Whether that ends a pause."""
        was_paused, self._paused_until = self._paused_until is not None, None
        self._failures, self._next_pause = 0, FIRST_PAUSE_SECONDS
        return was_paused

    def failed(self, requested: float | None = None) -> float | None:
        """The seconds of the pause that this failure begins, None if it begins none.

        `requested` is the pause that the endpoint asked for.
        """
        self._failures += 1
        is_trial = self._paused_until is not None and self._clock() >= self._paused_until
        if self._paused_until is not None and not is_trial:
            # An attempt from before the pause.
            return None
        if requested is None and not is_trial and self._failures < FAILURES_IN_A_ROW:
            return None
        pause = self._next_pause if requested is None else min(requested, LONGEST_REQUESTED_SECONDS)
        self._next_pause = min(2 * self._next_pause, LONGEST_PAUSE_SECONDS)
        self._paused_until = self._clock() + pause
        return pause
