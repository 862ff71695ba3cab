"""How a writer's parcels are gathered: in virtual time, with a Redis that answers at once."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace

from parley.adapters.redis.reply_stream.encoding import end_item
from parley.adapters.redis.reply_stream.send_buffer import BATCHES_UNPAUSED, MOST_AT_ONCE, PAUSE_SECONDS, SendBuffer
from tests.contracts.chat_fixtures import new_id
from tests.unit.chat.virtual_time import run


class Link:
    """Notes when each batch came, and how many parcels were in it."""

    def __init__(self) -> None:
        self.batches: list[tuple[float, int]] = []
        self.commands = SimpleNamespace(execute_command=self._take)

    def answered(self) -> None:
        pass

    async def _take(self, _name: str, _script: str, count: int, *_words: object) -> list[object]:
        self.batches.append((asyncio.get_running_loop().time(), count))
        return []


async def batches(*, parcels: int, every: float) -> list[tuple[float, int]]:
    link = Link()
    outbox = SendBuffer(link)

    async def send() -> None:
        while True:
            await outbox.send_batch()

    sending = asyncio.create_task(send())
    for _ in range(parcels):
        outbox.put(end_item(new_id()))
        if every:
            await asyncio.sleep(every)
    await outbox.emptied(within=1.0)
    sending.cancel()
    with suppress(asyncio.CancelledError):
        await sending
    return link.batches


def test_a_busy_process_gathers():
    sent = run(batches(parcels=1_000, every=0.001))

    assert sum(count for _, count in sent) == 1_000
    assert len(sent) <= 1.0 / PAUSE_SECONDS + BATCHES_UNPAUSED + 2


def test_a_few_are_never_held_back():
    assert run(batches(parcels=4, every=0.001)) == [(0.0, 1), (0.001, 1), (0.002, 1), (0.003, 1)]


def test_many_are_sent_in_batches_without_a_pause():
    sent = run(batches(parcels=2 * MOST_AT_ONCE + 1, every=0))

    assert sent == [(0.0, MOST_AT_ONCE), (0.0, MOST_AT_ONCE), (0.0, 1)]
