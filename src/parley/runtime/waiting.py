"""Waiting at the start of a worker for what an operator still has to do, such as migrating the database."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from parley.runtime.shutdown import on_shutdown_signal
from parley.settings import SettingsError

log = structlog.get_logger("parley.start")

RETRY_SECONDS = 2.0


async def wait_until_usable(prepare: Callable[[], Awaitable[None]]) -> None:
    """Call `prepare` until it raises no SettingsError, and log each reason once.

    A supervisor that restarts a process which ends would have it log the same reason for ever. A shutdown signal ends
    the process with exit code 0.
    """
    reasons: set[str] = set()
    leaving = asyncio.Event()
    with on_shutdown_signal(leaving.set):
        while not leaving.is_set():
            try:
                await prepare()
            except SettingsError as error:
                if str(error) not in reasons:
                    log.error("waiting", reason=str(error))  # noqa: TRY400  the traceback adds nothing
                    reasons.add(str(error))
            else:
                if reasons:
                    log.info("waiting_ended")
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await leaving.wait()
    sys.exit(0)
