"""Signals to the readers of rooms in other processes, over Redis."""

import asyncio

from parley.adapters.redis.room_signals import RedisRoomSignals
from tests.contracts.chat_fixtures import new_id
from tests.contracts.redis_fixtures import PATIENCE, becomes_true, own_redis, process, shared_redis


async def test_a_signal_reaches_the_readers_of_that_room_in_every_process():
    room, other = new_id(), new_id()
    async with process(shared_redis()) as a, process(shared_redis()) as b:
        heard: list[str] = []
        listening = [
            RedisRoomSignals(made.client, made.pubsub).listen(which, lambda name=name: heard.append(name))
            for made, which, name in ((a, room, "a"), (b, room, "b"), (b, room, "b2"), (b, other, "other"))
        ]
        with listening[0], listening[1], listening[2], listening[3]:
            # Listening begins with a call, since earlier signals may be lost.
            await becomes_true(lambda: sorted(heard) == ["a", "b", "b2", "other"])
            heard.clear()
            await RedisRoomSignals(a.client, a.pubsub).send(room)
            await becomes_true(lambda: sorted(heard) == ["a", "b", "b2"])
        heard.clear()
        await RedisRoomSignals(a.client, a.pubsub).send(room)
        assert heard == []


async def test_a_listener_is_called_again_after_an_outage():
    with own_redis() as server:
        async with process(server.url) as made:
            signals, heard = RedisRoomSignals(made.client, made.pubsub), asyncio.Event()
            with signals.listen(new_id(), heard.set):
                async with asyncio.timeout(PATIENCE):
                    await heard.wait()
                heard.clear()
                await asyncio.to_thread(server.kill)
                # Which raises nothing.
                await signals.send(new_id())
                await asyncio.to_thread(server.start)
                async with asyncio.timeout(PATIENCE):
                    await heard.wait()
