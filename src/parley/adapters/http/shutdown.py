"""Leaving in time: open streams must not hold a process that was told to go."""

import asyncio
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from parley.core.chat.ports import ReplyStream


@contextmanager
def end_streams_on_signal(stream: ReplyStream) -> Generator[None, None, None]:
    """Close the stream on SIGTERM and SIGINT, then do what the server had set for the signal.

    uvicorn waits for open responses before it ends the lifespan, so the lifespan's own end comes too late.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def leave(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stream.close)
        handler = previous[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in previous:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
