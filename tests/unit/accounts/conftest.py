import pytest

from tests.fakes.accounts import FakeAccountsUnitOfWork
from tests.fakes.database import FakeDatabase
from tests.fakes.directory import FakeAccountDirectory
from tests.fakes.plans import PLANS
from tests.unit.accounts.environment import AccountsEnvironment


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture
def env(database: FakeDatabase) -> AccountsEnvironment:
    """Its database uses the test's clock too."""
    env = AccountsEnvironment(FakeAccountsUnitOfWork(database))
    database.clock = lambda: env.now
    env.directory = FakeAccountDirectory(database, PLANS, now=lambda: env.now)
    return env
