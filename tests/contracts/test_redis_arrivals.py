"""The queue of one reader, whose waits share a timer."""

import asyncio

import pytest

from parley.adapters.redis.reply_stream.receive_buffer import ReceiveBuffer
from tests.unit.chat.virtual_time import run


def test_waits_of_any_length_in_any_order_end_in_time():
    async def waits() -> list[float]:
        loop = asyncio.get_running_loop()
        arrivals: ReceiveBuffer[str] = ReceiveBuffer()
        lengths = []
        for within in (2.0, 30.0, 1.0, 15.0, 15.0):
            started = loop.time()
            assert await arrivals.take(within=within) is None
            lengths.append(loop.time() - started)
        return lengths

    assert run(waits()) == pytest.approx([2.0, 30.0, 1.0, 15.0, 15.0])


@pytest.mark.parametrize("within", [0.5, 15.0, 60.0])
def test_timer_of_an_earlier_wait_ends_no_later_one(within):
    async def later_wait() -> tuple[float, str | None]:
        loop = asyncio.get_running_loop()
        arrivals: ReceiveBuffer[str] = ReceiveBuffer()
        loop.call_later(10.0, arrivals.put, "first")
        assert await arrivals.take(within=15.0) == "first"
        assert await arrivals.take(within=within) is None
        loop.call_later(14.0, arrivals.put, "second")
        return await arrivals.take(within=15.0), loop.time()

    assert run(later_wait()) == ("second", 10.0 + within + 14.0)


def test_what_waits_is_taken_at_once_and_nothing_is_waited_for_without_time():
    async def taken() -> list[int | None]:
        arrivals: ReceiveBuffer[int] = ReceiveBuffer()
        for number in range(3):
            arrivals.put(number)
        taken = [await arrivals.take(within=within) for within in (0, 60, 0)]
        with pytest.raises(StopIteration) as ended:
            arrivals.take(within=0).send(None)
        return [*taken, ended.value.value]

    assert run(taken()) == [0, 1, 2, None]


def test_what_comes_together_ends_one_wait():
    async def taken() -> list[int | None]:
        arrivals: ReceiveBuffer[int] = ReceiveBuffer()
        waiting = asyncio.create_task(arrivals.take(within=60))
        await asyncio.sleep(1)
        arrivals.put(1)
        arrivals.put(2)
        return [await waiting, await arrivals.take(within=60)]

    assert run(taken()) == [1, 2]


def test_wait_that_is_cancelled_takes_nothing_with_it():
    async def taken() -> str | None:
        arrivals: ReceiveBuffer[str] = ReceiveBuffer()
        waiting = asyncio.create_task(arrivals.take(within=60))
        await asyncio.sleep(1)
        arrivals.put("it")
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        return await arrivals.take(within=60)

    assert run(taken()) == "it"


def test_pieces_set_no_timer_each():
    async def timers() -> int:
        loop = asyncio.get_running_loop()
        arrivals: ReceiveBuffer[int] = ReceiveBuffer()
        set_before, count = loop.call_at, 0

        def counted(*args, **options):
            nonlocal count
            count += 1
            return set_before(*args, **options)

        loop.call_at = counted
        for number in range(100):
            loop.call_soon(arrivals.put, number)
            assert await arrivals.take(within=15.0) == number
        return count

    assert run(timers()) == 1


def test_nothing_keeps_time_once_it_is_closed():
    async def alarms() -> bool:
        arrivals: ReceiveBuffer[int] = ReceiveBuffer()
        asyncio.get_running_loop().call_soon(arrivals.put, 1)
        await arrivals.take(within=15.0)
        arrivals.close()
        return arrivals._alarm.cancelled()

    assert run(alarms())
