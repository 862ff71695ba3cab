"""Ending in time on a shutdown signal."""

import asyncio
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


class Shutdown:
    """Whether this process received a shutdown signal."""

    def __init__(self) -> None:
        self._begun = False

    def begin(self) -> None:
        self._begun = True

    async def not_requested(self) -> bool:
        return not self._begun


@contextmanager
def on_shutdown_signal(do: Callable[[], None]) -> Generator[None, None, None]:
    """Call `do` in the event loop on SIGTERM and SIGINT, then the server's own handler.

    uvicorn waits for open streams, and taskiq for running tasks, before either ends its lifespan, so the end of the
    lifespan is too late to end streams and tasks. Outside the main thread no handler is set.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(do)
        handler = previous[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in previous:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
