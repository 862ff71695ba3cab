"""Commands of one moment, sent together: most of what a command costs is its own trip to Redis."""

import asyncio
from typing import Any

from redis.asyncio import Redis

MOST_AT_ONCE = 200
# More than one, so that an answer that is lost holds up no others.
TRIPS_AT_ONCE = 2

Command = tuple[str | bytes | int, ...]
Sent = tuple[Command, asyncio.Future[Any]]


class Batches:
    """While batches are under way the next one gathers; a command that comes alone goes at once."""

    def __init__(self, commands: Redis) -> None:
        self._commands = commands
        self._waiting: list[Sent] = []
        self._senders: set[asyncio.Task[None]] = set()
        # How many of them will still look at what waits. Not how many tasks have not ended: between a sender's last
        # look and its end somebody may ask.
        self._looking = 0
        self._gathering = False

    async def execute(self, *command: str | bytes | int) -> Any:
        """The answer. Raises redis.exceptions.RedisError. Whoever is cancelled does not know whether it was done."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        if not self._gathering and self._looking < TRIPS_AT_ONCE:
            self._gathering = True
            self._looking += 1
            sender = asyncio.create_task(self._send_all())
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)
        return await answer

    async def close(self) -> None:
        """Give up what is under way."""
        while self._senders:
            for sender in self._senders:
                sender.cancel()
            # Again, should it be lost: see `_cancel` in connection.py.
            await asyncio.wait(self._senders, timeout=0.1)
        for _, waiting in self._waiting:
            waiting.cancel()
        self._waiting, self._looking, self._gathering = [], 0, False

    async def _send_all(self) -> None:
        self._gathering = False
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                await self._send(batch)
        finally:
            self._looking -= 1

    async def _send(self, batch: list[Sent]) -> None:
        try:
            answers = await self._answers([command for command, _ in batch])
            for (_, waiting), answer in zip(batch, answers, strict=True):
                _tell(waiting, answer)
        finally:
            for _, waiting in batch:
                waiting.cancel()

    async def _answers(self, commands: list[Command]) -> list[Any]:
        """An answer or an error for each."""
        try:
            async with self._commands.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return await pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001 - raised where the commands were given
            return [error] * len(commands)


def _tell(waiting: asyncio.Future[Any], answer: Any) -> None:
    if waiting.done():
        return
    if isinstance(answer, Exception):
        waiting.set_exception(answer)
    else:
        waiting.set_result(answer)
