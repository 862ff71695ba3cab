"""The queue of one subscription, whose waits share a timer."""

import asyncio

import pytest
import uvloop

from parley.adapters.redis.reply_stream.receive_buffer import ReceiveBuffer
from tests.unit.chat.virtual_time import run


def test_waits_of_any_length_in_any_order_end_on_time():
    async def waits() -> list[float]:
        loop = asyncio.get_running_loop()
        buffer: ReceiveBuffer[str] = ReceiveBuffer()
        lengths = []
        for within in (2.0, 30.0, 1.0, 15.0, 15.0):
            started = loop.time()
            assert await buffer.take(within=within) is None
            lengths.append(loop.time() - started)
        return lengths

    assert run(waits()) == pytest.approx([2.0, 30.0, 1.0, 15.0, 15.0])


@pytest.mark.parametrize("within", [0.5, 15.0, 60.0])
def test_timer_of_an_earlier_wait_does_not_end_a_later_one(within):
    async def later_wait() -> tuple[float, str | None]:
        loop = asyncio.get_running_loop()
        buffer: ReceiveBuffer[str] = ReceiveBuffer()
        loop.call_later(10.0, buffer.put, "first")
        assert await buffer.take(within=15.0) == "first"
        assert await buffer.take(within=within) is None
        loop.call_later(14.0, buffer.put, "second")
        return await buffer.take(within=15.0), loop.time()

    assert run(later_wait()) == ("second", 10.0 + within + 14.0)


def test_waiting_items_are_taken_without_suspending_and_zero_seconds_never_suspend():
    async def taken() -> list[int | None]:
        buffer: ReceiveBuffer[int] = ReceiveBuffer()
        for number in range(3):
            buffer.put(number)
        taken = [await buffer.take(within=within) for within in (0, 60, 0)]
        with pytest.raises(StopIteration) as ended:
            buffer.take(within=0).send(None)
        return [*taken, ended.value.value]

    assert run(taken()) == [0, 1, 2, None]


def test_items_that_arrive_together_end_one_wait():
    async def taken() -> list[int | None]:
        buffer: ReceiveBuffer[int] = ReceiveBuffer()
        waiting = asyncio.create_task(buffer.take(within=60))
        await asyncio.sleep(1)
        buffer.put(1)
        buffer.put(2)
        return [await waiting, await buffer.take(within=60)]

    assert run(taken()) == [1, 2]


def test_cancelled_wait_loses_no_item():
    async def taken() -> str | None:
        buffer: ReceiveBuffer[str] = ReceiveBuffer()
        waiting = asyncio.create_task(buffer.take(within=60))
        await asyncio.sleep(1)
        buffer.put("item")
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        return await buffer.take(within=60)

    assert run(taken()) == "item"


def test_items_do_not_set_a_timer_each():
    async def timers() -> int:
        loop = asyncio.get_running_loop()
        buffer: ReceiveBuffer[int] = ReceiveBuffer()
        set_before, count = loop.call_at, 0

        def counted(*args, **options):
            nonlocal count
            count += 1
            return set_before(*args, **options)

        loop.call_at = counted
        for number in range(100):
            loop.call_soon(buffer.put, number)
            assert await buffer.take(within=15.0) == number
        return count

    assert run(timers()) == 1


def test_close_cancels_the_timer():
    async def timers() -> list[asyncio.TimerHandle]:
        loop = asyncio.get_running_loop()
        buffer: ReceiveBuffer[int] = ReceiveBuffer()
        call_at, handles = loop.call_at, []
        loop.call_at = lambda *args, **options: handles.append(call_at(*args, **options)) or handles[-1]
        loop.call_soon(buffer.put, 1)
        await buffer.take(within=15.0)
        buffer.close()
        return handles

    assert [handle.cancelled() for handle in run(timers())] == [True]


def test_timers_that_are_due_at_once_are_no_trouble_for_uvloop():
    """Its handles of these have no `when`, as a reader met who waited for less than half a millisecond."""

    async def takes() -> list[str | None]:
        loop = asyncio.get_running_loop()
        buffer: ReceiveBuffer[str] = ReceiveBuffer()
        taken = []
        for _ in range(200):
            loop.call_soon(buffer.put, "item")
            taken.append(await buffer.take(within=0.0004))
            loop.call_soon(buffer.put, "item")
            taken.append(await buffer.take(within=1.0))
        buffer.close()
        return taken

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        taken = runner.run(takes())
    assert taken.count("item") >= 399
