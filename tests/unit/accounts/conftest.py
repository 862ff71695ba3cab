import pytest

from tests.fakes.accounts import FakeAccountsUnitOfWork
from tests.unit.accounts.desk import Desk


@pytest.fixture
def desk() -> Desk:
    """Its database has the clock of the test as well."""
    desk = Desk(FakeAccountsUnitOfWork(clock=lambda: desk.now))
    return desk
