import pytest

from tests.unit.billing.scenario import Scenario


@pytest.fixture
def billing() -> Scenario:
    return Scenario()
