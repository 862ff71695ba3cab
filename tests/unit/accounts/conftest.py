import pytest

from parley.adapters.memory.accounts import MemoryAccountsUnitOfWork
from tests.unit.accounts.desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk(MemoryAccountsUnitOfWork())
