"""Whether a stream may begin, and how long its reader may go on."""

from uuid import UUID

from parley.adapters.http.ports import HttpPorts
from parley.core.accounts.errors import TokenInvalid
from parley.core.errors import Overloaded, Unavailable

# An overload ends within seconds or lasts.
OVERLOADED_SECONDS = 5.0


def refuse_while_overloaded(ports: HttpPorts) -> None:
    """Raises Overloaded while this process is late with the streams that it has."""
    if ports.overloaded():
        raise Overloaded(OVERLOADED_SECONDS)


async def session_lasts(ports: HttpPorts, session_id: UUID) -> bool:
    """Whether the session or API key is not known to have ended; also while the database does not answer."""
    try:
        await ports.accounts.revocations.check(session_id)
    except TokenInvalid:
        return False
    except Unavailable:
        return True
    return True
