import pytest

from tests.fakes.accounts import FakeAccountsUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.unit.accounts.environment import AccountsEnvironment


@pytest.fixture
def env() -> AccountsEnvironment:
    """Its database uses the test's clock too."""
    env = AccountsEnvironment(FakeAccountsUnitOfWork(FakeDatabase(lambda: env.now)))
    return env
