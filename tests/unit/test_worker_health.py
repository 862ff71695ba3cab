"""The health of a worker, on the port of its metrics."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from urllib.error import HTTPError
from urllib.request import urlopen

from parley.adapters.metrics import Metrics
from parley.adapters.metrics.listener import listening
from tests.e2e.process import free_port


def asked(port: int, path: str) -> tuple[int, dict[str, object]]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


def check(answer: bool | str) -> Callable[[], Awaitable[bool | str]]:
    async def answered() -> bool | str:
        return answer

    return answered


async def test_a_worker_is_ready_while_all_checks_are_true_and_live_whatever_they_are():
    port, checks = free_port(), {"database": check(True), "redis": check(True)}
    with listening(Metrics(), port=port, token="secret", checks=checks):
        for path in ("/health/live", "/health/ready"):
            assert await asyncio.to_thread(asked, port, path) == (200, {"status": "ok", "down": []})
        checks["redis"] = check(False)
        down = {"status": "unavailable", "down": ["redis"]}
        assert await asyncio.to_thread(asked, port, "/health/ready") == (503, down)
        checks["redis"] = check("Redis is full")
        assert await asyncio.to_thread(asked, port, "/health/ready") == (
            503,
            down | {"causes": {"redis": "Redis is full"}},
        )
        assert (await asyncio.to_thread(asked, port, "/health/live"))[0] == 200


async def test_a_worker_whose_event_loop_is_stuck_is_not_live():
    port, answers = free_port(), []
    with listening(Metrics(), port=port, token="", checks={}, patience=0.1):
        probe = threading.Thread(target=lambda: answers.append(asked(port, "/health/live")))
        probe.start()
        probe.join()  # blocks the event loop
        assert answers == [(503, {"status": "unavailable", "down": ["event loop"]})]
        assert (await asyncio.to_thread(asked, port, "/health/live"))[0] == 200
