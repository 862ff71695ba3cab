"""How long readers wait for the first text of a reply."""

import asyncio

from tests.e2e.events import Reader
from tests.faults.audit import Sent, follow
from tests.faults.cluster import Cluster, becomes

FIRST_TEXT_SECONDS = 10.0


async def seconds_to_first_text(parley: Cluster, sent: Sent) -> float:
    """The time from now, just after the acceptance, until a reader of the stream sees some of the reply."""
    clock = asyncio.get_running_loop().time
    began, reader = clock(), Reader()
    following = asyncio.create_task(follow(parley, sent, reader=reader))
    await becomes(lambda: bool(reader.text))
    took = clock() - began
    following.cancel()
    await asyncio.wait({following})
    return took
