"""Whether a stream may begin, and how long its reader may go on."""

from uuid import UUID

from parley.adapters.http.ports import HttpPorts
from parley.core.accounts.errors import TokenInvalid
from parley.core.errors import Overloaded

# An overload ends within seconds or lasts.
OVERLOADED_SECONDS = 5.0


def refuse_while_overloaded(ports: HttpPorts) -> None:
    """Raises Overloaded while this process is late with the streams that it has."""
    if ports.overloaded():
        raise Overloaded(OVERLOADED_SECONDS)


async def may_read(ports: HttpPorts, session_id: UUID, account_id: UUID) -> bool:
    """Whether this process knows neither an end of the session or API key nor a suspension of the account."""
    try:
        ports.accounts.revocations.check_known(session_id, account_id)
    except TokenInvalid:
        return False
    return True
