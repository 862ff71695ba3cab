"""A worker's tasks as taskiq runs them."""

import logging
from contextlib import asynccontextmanager
from uuid import UUID

from taskiq import InMemoryBroker

from parley.adapters.worker.taskiq_worker import serve


@asynccontextmanager
async def nothing():
    yield


async def test_task_gets_its_id_and_leaves_no_line_of_taskiq_in_the_log(caplog):
    ran: list[UUID] = []

    async def work(id_: UUID) -> None:
        ran.append(id_)

    broker = InMemoryBroker(await_inplace=True)
    serve(broker, {"work": work}, background=nothing)
    task = broker.find_task("work")
    assert task is not None
    with caplog.at_level(logging.INFO, logger="taskiq"):
        await task.kiq(str(UUID(int=7)))
    assert ran == [UUID(int=7)]
    assert "Executing" not in caplog.text
