"""Trips to Redis: several commands, and then their answers.

redis-py's own pipeline takes four times as long for one command: it makes a task for each write and a timer for each
read, and measures itself.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as TookTooLong

Command = Sequence[str | bytes | int]


class Trips:
    """Makes as many trips at the same time as it is asked for, each over its own connection, which is used again.

    Raises ValueError for a URL that is not one of Redis.
    """

    def __init__(self, url: str, *, answer_seconds: float) -> None:
        self._answer_seconds = answer_seconds
        # With redis-py's default, a timeout, each write would be a task and each answer would have a timer.
        pool = ConnectionPool.from_url(url, socket_timeout=None, retry=Retry(NoBackoff(), 0), protocol=2)
        self._new_connection: Callable[[], Connection] = pool.make_connection
        # Not in the pool, which measures itself at each use.
        self._idle: list[Connection] = []

    async def make(self, commands: Sequence[Command], *, blocking_seconds: float = 0.0) -> list[Any]:
        """The answer to each command, which may be a ResponseError. They block for up to `blocking_seconds`.

        Raises RedisError after `answer_seconds`, or without Redis: nobody knows then which of them were executed.
        """
        try:
            async with asyncio.timeout(blocking_seconds + self._answer_seconds):
                return await self._make(commands)
        except TimeoutError as error:
            raise TookTooLong("no answer in time") from error

    async def close(self) -> None:
        for connection in self._idle:
            await connection.disconnect()

    async def _make(self, commands: Sequence[Command]) -> list[Any]:
        connection: Connection = self._idle.pop() if self._idle else self._new_connection()
        try:
            if connection.is_connected and await connection.can_read():
                # Only the end of the connection can have arrived.
                await connection.disconnect(nowait=True)
            await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            return [await _answer(connection) for _ in commands]
        except BaseException:
            # What arrives on it next would be the answer to another command.
            await connection.disconnect(nowait=True)
            raise
        finally:
            self._idle.append(connection)


async def _answer(connection: Connection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
