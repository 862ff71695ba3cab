from collections.abc import Iterator

import pytest

from tests.container.image import Image, built


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    with built() as image:
        yield image
