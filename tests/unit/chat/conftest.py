from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.unit.chat.environment import ChatEnvironment
from tests.unit.chat.virtual_time import VirtualLoop


def pytest_asyncio_loop_factories(config: Any, item: Any) -> Mapping[str, Callable[[], VirtualLoop]]:
    return {"virtual_time": VirtualLoop}


@pytest.fixture
async def env() -> ChatEnvironment:
    return ChatEnvironment()
