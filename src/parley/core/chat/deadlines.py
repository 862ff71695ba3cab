"""Time limits on a model's answer: until its first sign of life, of silence within it, and in all."""

import asyncio
from types import TracebackType
from typing import Self

from parley.core.chat.errors import ModelFailed, ModelRefused, ModelUnavailable


class Deadlines:
    """A context around the reading of a model's answer; call `reset` for everything that arrives. Times in seconds.

    Raises ModelUnavailable if the model is silent for too long or raises TimeoutError itself, ModelRefused if the whole
    answer takes too long.
    """

    def __init__(self, *, first: float, idle: float, total: float) -> None:
        self._allowed_silence = first
        self._idle = idle
        self._total = total
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + total
        self._due = self._loop.time() + first
        self._timeout = asyncio.timeout_at(self._end)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._timer = self._loop.call_at(self._due, self._check)
        return self

    def reset(self) -> None:
        """Start the idle time anew. Moves no timer, as this is called thousands of times a second: `_check` does."""
        self._due = self._loop.time() + self._idle
        if self._allowed_silence != self._idle:
            self._allowed_silence = self._idle
            self._timer.cancel()
            self._check()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise self._failure() from late
        if isinstance(error, TimeoutError):
            raise self._failure() from error

    def _check(self) -> None:
        if self._loop.time() >= self._due:
            self._timeout.reschedule(self._due)
        else:
            self._timer = self._loop.call_at(self._due, self._check)

    def _failure(self) -> ModelFailed:
        if self._loop.time() >= self._end:
            return ModelRefused("model_timeout", f"The model wrote for over {self._total:g} s.")
        return ModelUnavailable("model_timeout", f"The model was silent for {self._allowed_silence:g} s.")
