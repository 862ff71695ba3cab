import pytest

from parley.adapters.memory.accounts import MemoryAccountsUnitOfWork
from tests.unit.accounts.desk import Desk


@pytest.fixture
def desk() -> Desk:
    """Its database has the clock of the test as well."""
    desk = Desk(MemoryAccountsUnitOfWork(clock=lambda: desk.now))
    return desk
