"""The same dose as the other fault tests."""

from tests.faults.conftest import scale

__all__ = ["scale"]
