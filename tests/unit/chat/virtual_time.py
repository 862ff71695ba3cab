"""An event loop whose clock jumps: when nothing can happen now, it is at once the time of what is due next.

A test of a deadline takes no time and knows every moment exactly; `asyncio.sleep` passes time rather than hope for
something. This works for what uses neither sockets nor threads, as the core with the memory adapters does. A test that
waits for what will never happen, or goes round in circles, fails at once.
"""

import asyncio
import selectors
from typing import Any

ROUNDS = 300_000


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._rounds = ROUNDS

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._rounds -= 1
        if self._rounds == 0:
            raise AssertionError("Everything goes round in circles.")
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise AssertionError("Everything waits, and nothing will ever happen.")
        self.now += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(main: Any) -> Any:
    """As asyncio.run, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
