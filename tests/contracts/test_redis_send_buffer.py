"""How a writer's items are batched: in virtual time, with a Redis that answers at once."""

import asyncio
from contextlib import suppress

from parley.adapters.redis.reply_stream.encoding import end_item
from parley.adapters.redis.reply_stream.send_buffer import (
    LONGER_PAUSE_SECONDS,
    MAX_BATCH,
    PAUSE_SECONDS,
    UNPAUSED_BATCHES,
    SendBuffer,
)
from tests.contracts.chat_fixtures import new_id
from tests.unit.chat.virtual_time import run


class RecordingClient:
    """Records when each batch arrived and how many items it had."""

    def __init__(self) -> None:
        self.batches: list[tuple[float, int]] = []

    def record_success(self) -> None:
        pass

    async def execute_alone(self, _name: str, _script: str, count: int, *_words: object) -> list[object]:
        self.batches.append((asyncio.get_running_loop().time(), count))
        return []


async def batches(*, items: int, every: float) -> list[tuple[float, int]]:
    client = RecordingClient()
    buffer = SendBuffer(client)

    async def send() -> None:
        while True:
            await buffer.send_batch()

    sending = asyncio.create_task(send())
    for _ in range(items):
        buffer.put(end_item(new_id()))
        if every:
            await asyncio.sleep(every)
    await buffer.wait_until_empty(within=1.0)
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending
    return client.batches


def test_a_busy_process_sends_large_batches():
    sent = run(batches(items=1_000, every=0.001))

    assert sum(count for _, count in sent) == 1_000
    assert len(sent) <= 1.0 / PAUSE_SECONDS + UNPAUSED_BATCHES + 2


def test_a_few_items_are_never_delayed():
    assert run(batches(items=4, every=0.001)) == [(0.0, 1), (0.001, 1), (0.002, 1), (0.003, 1)]


def test_full_batches_are_sent_without_a_pause():
    sent = run(batches(items=2 * MAX_BATCH + 1, every=0))

    assert sent == [(0.0, MAX_BATCH), (0.0, MAX_BATCH), (0.0, 1)]


def test_items_of_one_reply_after_another_are_never_delayed():
    sent = run(batches(items=600, every=1 / 600))

    assert [count for _, count in sent] == [1] * 600
    assert sent[-1][0] < 1.0


def test_batches_of_a_very_busy_process_are_larger_still():
    sent = run(batches(items=10_000, every=0.0001))

    assert len(sent) <= 1.0 / LONGER_PAUSE_SECONDS + UNPAUSED_BATCHES + 2
