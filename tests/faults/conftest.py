"""How much load and how many faults the tests use: `FAULTS=long` in the environment selects the full figures."""

import os
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Scale:
    rooms: int
    messages_each: int
    kills: int
    flushes: int

    @property
    def messages(self) -> int:
        return self.rooms * self.messages_each


@pytest.fixture
def scale() -> Scale:
    if os.environ.get("FAULTS") == "long":
        return Scale(rooms=50, messages_each=10, kills=20, flushes=5)
    return Scale(rooms=20, messages_each=4, kills=4, flushes=2)
