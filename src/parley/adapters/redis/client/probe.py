"""Finding out whether a Redis does everything that parley asks of it. A PING would be answered by one that does not."""

import asyncio
import secrets
from typing import Any

from redis.asyncio import Connection
from redis.exceptions import RedisError

from parley.adapters.redis.client.connection import RedisClient
from parley.adapters.redis.client.faults import Cause, Fault, fault_of

# The commands of all scripts of parley. Several keys, as those have, which a cluster refuses.
SCRIPT = """
local hash, stream, list = KEYS[1], KEYS[2], KEYS[3]
redis.call('TIME')
redis.call('HSETNX', hash, 'probe', ARGV[1])
redis.call('HSET', hash, 'probe', ARGV[1])
redis.call('HGET', hash, 'probe')
redis.call('HLEN', hash)
redis.call('PEXPIRE', hash, ARGV[2])
redis.call('RPUSH', list, ARGV[1], ARGV[1])
redis.call('LINDEX', list, 0)
redis.call('LLEN', list)
redis.call('LPOP', list)
redis.call('LRANGE', list, 0, -1)
redis.call('LREM', list, 1, ARGV[1])
redis.call('RPOP', list)
redis.call('XADD', stream, '*', 'data', ARGV[1])
redis.call('XTRIM', stream, 'MINID', 1)
redis.call('XTRIM', stream, 'MAXLEN', 1)
redis.call('EXPIRE', stream, ARGV[2] / 1000)
redis.call('PUBLISH', stream, ARGV[1])
return 1
"""
PROBE = "parley:probe"
GROUP = "probe"
LIFE_MILLISECONDS = 60_000


async def find_fault(client: RedisClient, *, within: float) -> Fault | None:
    """Use Redis as queue, streams, channels and scripts do, with keys that expire. None if all of it works.

    Takes up to `within` seconds, and its own connection.
    """
    try:
        async with asyncio.timeout(within), client.connection() as connection:
            return await _probe(client, connection)
    except RedisError as error:
        return fault_of(error)
    except TimeoutError:
        return Fault(Cause.SILENT, "TimeoutError")


async def _probe(client: RedisClient, connection: Connection) -> Fault | None:
    """Raises RedisError where a single step shows what is wrong."""
    token = secrets.token_hex(8).encode()
    hash_, stream, list_ = (client.name(PROBE + part) for part in ("", ":stream", ":list"))
    if fault := await _fault_of_commands(client, hash_, stream):
        return fault
    await connection.send_command("SUBSCRIBE", stream)
    await connection.read_response()
    commands: Any = client.commands
    script = await commands.script_load(SCRIPT)
    await commands.evalsha(script, 3, hash_, stream, list_, token, LIFE_MILLISECONDS)
    await _receive(connection, token)
    await connection.send_command("UNSUBSCRIBE", stream)
    await connection.read_response()
    return None


async def _fault_of_commands(client: RedisClient, hash_: str, stream: str) -> Fault | None:
    """What fails of the commands outside scripts, the writing ones first: they say most about a server as a whole."""
    commands: Any = client.commands
    async with commands.pipeline(transaction=False) as pipeline:
        pipeline.xadd(stream, {"data": ""}, maxlen=1)
        pipeline.pexpire(stream, LIFE_MILLISECONDS)
        pipeline.xgroup_create(stream, GROUP, id="0", mkstream=True)
        pipeline.xreadgroup(GROUP, GROUP, {stream: ">"}, count=1, noack=True)
        pipeline.xrange(stream, count=1)
        pipeline.hget(hash_, "probe")
        pipeline.delete(hash_)
        pipeline.eval("return 1", 0)
        pipeline.publish(stream, "")
        pipeline.ping()
        answers = await pipeline.execute(raise_on_error=False)
    errors = [answer for answer in answers if isinstance(answer, RedisError)]
    # The group is there from the probe before.
    faults = [fault_of(error) for error in errors if "BUSYGROUP" not in str(error)]
    return faults[0] if faults else None


async def _receive(connection: Connection, token: bytes) -> None:
    """Wait for the message; probes of other processes arrive too."""
    received: list[bytes] = []
    while received[-1:] != [token]:
        received = await connection.read_response()
