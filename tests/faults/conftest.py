"""How hard the faults hit: `FAULTS=long` in the environment for the full figures."""

import os
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Dose:
    rooms: int
    messages_each: int
    kills: int
    flushes: int

    @property
    def messages(self) -> int:
        return self.rooms * self.messages_each


@pytest.fixture
def dose() -> Dose:
    if os.environ.get("FAULTS") == "long":
        return Dose(rooms=50, messages_each=10, kills=20, flushes=5)
    return Dose(rooms=20, messages_each=4, kills=4, flushes=2)
