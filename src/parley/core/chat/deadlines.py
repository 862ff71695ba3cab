"""How long a model may take: for its first text, between two pieces, and in all."""

import asyncio
from types import TracebackType
from typing import Self

from parley.core.chat.errors import ModelFailed, ModelRefused, ModelUnavailable


class Deadlines:
    """Around the reading of a model's pieces; tell it of each. All durations in seconds.

    Raises ModelUnavailable when a piece is late or the model itself gave up waiting, ModelRefused when the whole takes
    too long.
    """

    def __init__(self, *, first: float, idle: float, total: float) -> None:
        self._patience = first
        self._idle = idle
        self._total = total
        self._loop = asyncio.get_running_loop()
        self._end = self._loop.time() + total
        self._due = self._loop.time() + first
        self._timeout = asyncio.timeout_at(self._end)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._timer = self._loop.call_at(self._due, self._look)
        return self

    def met(self) -> None:
        """A piece came. That moves no timer, of which there would be thousands a second: `_look` looks again."""
        self._due = self._loop.time() + self._idle
        if self._patience != self._idle:
            self._patience = self._idle
            self._timer.cancel()
            self._look()

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

    def _look(self) -> None:
        if self._loop.time() >= self._due:
            self._timeout.reschedule(self._due)
        else:
            self._timer = self._loop.call_at(self._due, self._look)

    def _failure(self) -> ModelFailed:
        if self._loop.time() >= self._end:
            return ModelRefused("model_timeout", f"The model wrote for over {self._total:g} s.")
        return ModelUnavailable("model_timeout", f"The model was silent for {self._patience:g} s.")
