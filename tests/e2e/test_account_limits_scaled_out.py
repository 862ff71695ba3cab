"""What one account may do is limited over all API processes together."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

from tests.e2e.process import sign_in
from tests.e2e.scaled_out import scaled_out

REQUESTS, ROOMS = 19, 7


async def test_two_processes_share_the_limits_of_an_account(tmp_path: Path) -> None:
    settings = {"ACCOUNT_REQUESTS_PER_MINUTE": str(REQUESTS), "MAX_CHATROOMS": str(ROOMS), "OTP_SENDER": "response"}
    async with scaled_out(tmp_path, workers=0, **settings) as deployment, AsyncExitStack() as stack:

        async def at_both(email: str, method: str, path: str, number: int) -> Counter[int]:
            """The statuses of so many parallel requests of the account."""
            first = await stack.enter_async_context(aclosing(await sign_in(deployment.apis[0].address, email)))
            token = first.headers["Authorization"].removeprefix("Bearer ")
            clients = [first, await stack.enter_async_context(deployment.visitor(1, token))]
            calls = (clients[each % 2].request(method, path, json={"name": "A room"}) for each in range(number))
            return Counter(answer.status_code for answer in await asyncio.gather(*calls))

        assert await at_both("ravi@example.com", "POST", "/chatroom", 16) == {201: ROOMS, 409: 16 - ROOMS}
        assert await at_both("mira@example.com", "PATCH", "/user/me", 40) == {200: REQUESTS, 429: 40 - REQUESTS}
        assert await deployment.sql("SELECT count(*) FROM rooms") == ROOMS
