"""Circuit breakers: whether a model that has failed repeatedly should be asked again, or its fallback instead."""

from collections.abc import Callable
from enum import Enum
from uuid import UUID

from parley.core.ports import Jitter

FAILURES_IN_A_ROW = 5
FIRST_OPEN_SECONDS = 10.0
LONGEST_OPEN_SECONDS = 60.0
# A provider that asks for a longer pause than this is tried again anyway.
LONGEST_RETRY_AFTER = 600.0
# A quarter more at most, so that the workers of one outage do not all try again at the same moment.
SPREAD = 0.25


class CircuitState(str, Enum):
    """A model is asked while CLOSED, not asked while OPEN, and asked by one reply, a trial, while HALF_OPEN."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """The circuit breaker of one model, shared by all replies of this process.

    It opens after FAILURES_IN_A_ROW failures of the provider, for as long as the last one's Retry-After says, else for
    FIRST_OPEN_SECONDS. A trial that fails opens it for twice as long as before, up to LONGEST_OPEN_SECONDS.
    """

    def __init__(
        self, *, clock: Callable[[], float], jitter: Jitter, on_change: Callable[[CircuitState], None]
    ) -> None:
        self.state = CircuitState.CLOSED
        self._clock = clock
        self._jitter = jitter
        self._on_change = on_change
        self._failures = 0
        self._open_seconds = FIRST_OPEN_SECONDS
        self._open_until = 0.0
        self._trial: UUID | None = None

    def allows(self, reply_id: UUID) -> bool:
        """Whether the reply may ask the model now. True while the breaker is not closed makes the reply the trial.

        A trial ends with `succeeded`, `failed` or `abandoned`.
        """
        if self.state is CircuitState.OPEN and self._clock() >= self._open_until:
            self._trial = reply_id
            self._change(CircuitState.HALF_OPEN)
            return True
        return self.state is CircuitState.CLOSED

    def answering(self) -> None:
        """The model began to answer: enough for a trial, but no end of a row of answers that break off."""
        if self.state is CircuitState.HALF_OPEN:
            self.succeeded()

    def succeeded(self) -> None:
        self._failures = 0
        self._open_seconds = FIRST_OPEN_SECONDS
        if self.state is not CircuitState.CLOSED:
            self._change(CircuitState.CLOSED)

    def failed(self, retry_after: float | None) -> None:
        """The provider failed; `retry_after` is the pause that it asked for, in seconds."""
        self._failures += 1
        if self.state is CircuitState.HALF_OPEN:
            self._open_seconds = min(2 * self._open_seconds, LONGEST_OPEN_SECONDS)
            self._open(retry_after)
        elif self.state is CircuitState.CLOSED and self._failures >= FAILURES_IN_A_ROW:
            self._open(retry_after)

    def abandoned(self, reply_id: UUID) -> None:
        """The reply ended before its model answered or failed. After a trial the next reply is one."""
        if self.state is CircuitState.HALF_OPEN and self._trial == reply_id:
            self._change(CircuitState.OPEN)

    def _open(self, retry_after: float | None) -> None:
        seconds = self._open_seconds if retry_after is None else min(retry_after, LONGEST_RETRY_AFTER)
        self._open_until = self._clock() + seconds * (1 + SPREAD * self._jitter())
        self._change(CircuitState.OPEN)

    def _change(self, state: CircuitState) -> None:
        self.state = state
        self._on_change(state)


class CircuitBreakers:
    """The circuit breakers of this process, one for each model.

    `clock` is monotonic, in seconds. `on_change` is called with a model and the new state of its breaker.
    """

    def __init__(
        self, *, clock: Callable[[], float], jitter: Jitter, on_change: Callable[[str, CircuitState], None]
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._on_change = on_change
        self._breakers: dict[str, CircuitBreaker] = {}

    def of(self, model: str) -> CircuitBreaker:
        """The breaker of a model named `provider/model`."""
        if model not in self._breakers:
            self._breakers[model] = CircuitBreaker(
                clock=self._clock, jitter=self._jitter, on_change=lambda state: self._on_change(model, state)
            )
        return self._breakers[model]
