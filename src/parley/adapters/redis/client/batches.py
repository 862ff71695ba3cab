"""Sending commands in batches, because the round trip is most of a command's cost."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from parley.adapters.redis.client.trips import Command
from parley.core.tasks import cancel_and_wait

MAX_BATCH = 200
# More than one, so that an answer that is lost does not hold up every other command.
MAX_TRIPS = 2

PendingCommand = tuple[Command, asyncio.Future[Any]]


class CommandBatches:
    """Collects commands while MAX_TRIPS batches are on their way; a single command leaves immediately."""

    def __init__(self, make_trip: Callable[[Sequence[Command]], Awaitable[list[Any]]]) -> None:
        self._make_trip = make_trip
        self._waiting: list[PendingCommand] = []
        self._senders: set[asyncio.Task[None]] = set()
        # Senders that will still look at `_waiting`. Not the number of tasks: a sender that has looked for the last
        # time and has not ended yet would leave a new command without a sender.
        self._active_senders = 0
        self._sender_starting = False

    async def execute(self, *command: str | bytes | int) -> Any:
        """The answer. Raises redis.exceptions.RedisError. A cancelled caller cannot know whether it was executed."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        if not self._sender_starting and self._active_senders < MAX_TRIPS:
            self._sender_starting = True
            self._active_senders += 1
            sender = asyncio.create_task(self._send_all())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)
        return await answer

    async def close(self) -> None:
        """Cancel the batches on their way and the callers of waiting commands."""
        while self._senders:
            await cancel_and_wait(*self._senders)
        for _, answer in self._waiting:
            answer.cancel()
        self._waiting, self._active_senders, self._sender_starting = [], 0, False

    async def _send_all(self) -> None:
        self._sender_starting = False
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
                await self._send(batch)
        finally:
            self._active_senders -= 1

    async def _send(self, batch: list[PendingCommand]) -> None:
        try:
            results = await self._execute_all([command for command, _ in batch])
            for (_, answer), result in zip(batch, results, strict=True):
                _resolve(answer, result)
        finally:
            for _, answer in batch:
                answer.cancel()

    async def _execute_all(self, commands: list[Command]) -> list[Any]:
        """A result or an error for each."""
        try:
            return await self._make_trip(commands)
        except Exception as error:  # noqa: BLE001 - raised to the callers of `execute`
            return [error] * len(commands)


def _resolve(answer: asyncio.Future[Any], result: Any) -> None:
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
