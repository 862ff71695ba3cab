import pytest

from tests.unit.billing.desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()
