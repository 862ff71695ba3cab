"""The deadline of one delivery, and the errors of the network in terms of the core."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from parley.core.accounts.ports import SenderUnavailable


@asynccontextmanager
async def delivery_deadline(seconds: float, peer: str, connection_error: type[Exception]) -> AsyncGenerator[None, None]:
    """Run the body for at most `seconds`. Raises SenderUnavailable for a timeout, OSError or `connection_error`."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise SenderUnavailable(f"The {peer} did not answer in time.") from error
    except (connection_error, OSError) as error:
        raise SenderUnavailable(f"The connection to the {peer} failed.") from error
