"""An event loop with virtual time: when nothing can run, the clock jumps to the next timer.

Tests of deadlines take no time and are exact; `asyncio.sleep` lets virtual time pass. Only for code without sockets and
threads, such as the core with in-memory adapters. A test that waits for ever, or loops for ever, fails at once.
"""

import asyncio
import math
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
            raise AssertionError("The event loop never becomes idle.")
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise AssertionError("Every task waits, and no timer is set.")
        if timeout > 0:
            # At least to the next number there is: a tiny remainder of a timer would be waited for forever.
            self.now = max(self.now + timeout, math.nextafter(self.now, math.inf))
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(main: Any) -> Any:
    """Like asyncio.run, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
