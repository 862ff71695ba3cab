"""A limit of tokens over three API processes: overrun by no more than the replies that are being written."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import httpx

from tests.e2e.process import ended, new_room, sign_in
from tests.e2e.scaled_out import Api, scaled_out

LIMIT, ANSWER, WORDS, SENDS = 20_000, 400, 300, 200
PLANS = f"[plans.free]\ntokens_per_day = {LIMIT}\ntokens_per_month = {2 * LIMIT}\nmax_pending_replies = 1000\n"
# What replies have counted, and what the largest of them did.
REPLIES = "SELECT sum(input_tokens + output_tokens) FROM messages"
LARGEST = "SELECT max(input_tokens + output_tokens) FROM messages"


async def test_parallel_messages_on_three_processes_do_not_overrun_a_limit_of_tokens(tmp_path: Path) -> None:
    (tmp_path / "plans.toml").write_text(PLANS)
    settings = {
        "PARLEY_CONFIG": str(tmp_path / "plans.toml"),
        "RESERVED_ANSWER_TOKENS": str(ANSWER),
        "OTP_SENDER": "response",
    }
    async with scaled_out(tmp_path, workers=2, **settings) as deployment, AsyncExitStack() as stack:
        (tmp_path / "c").mkdir()
        deployment.apis.append(await Api(tmp_path / "c", deployment.settings).start())
        first = await stack.enter_async_context(aclosing(await sign_in(deployment.apis[0].address)))
        token = first.headers["Authorization"].removeprefix("Bearer ")
        clients = [await stack.enter_async_context(deployment.visitor(each, token)) for each in range(3)]
        rooms = [await new_room(first) for _ in range(20)]

        async def send(number: int) -> httpx.Response:
            address = f"/chatroom/{rooms[number % len(rooms)]}/message"
            return await clients[number % 3].post(address, json={"content": f"[[words {WORDS}]] {number}"})

        async def wave() -> int:
            """The number of accepted messages of SENDS, all of which have ended."""
            answers = await asyncio.gather(*map(send, range(SENDS)))
            assert set(Counter(answer.status_code for answer in answers)) <= {202, 429}
            quota = (await first.get("/user/usage")).json()["token_quota"]["day"]
            largest = await deployment.sql("SELECT max(reserved_tokens) FROM messages")
            assert quota["used"] + quota["reserved"] < LIMIT + largest
            accepted = [answer.json()["reply"] for answer in answers if answer.status_code == 202]
            replies = [await ended(first, reply) for reply in accepted]
            assert {reply["status"] for reply in replies} <= {"completed"}
            return len(replies)

        waves = [await wave()]
        while waves[-1]:
            waves.append(await wave())
            quota = (await first.get("/user/usage")).json()["token_quota"]
            assert {each["reserved"] for each in quota.values()} == {0}
            assert quota["day"]["used"] == quota["month"]["used"] == await deployment.sql(REPLIES)
        assert 2 < len(waves) < 10, waves
        # Each reply was smaller than what it had reserved, but for the last one before the limit.
        assert LIMIT <= quota["day"]["used"] < LIMIT + await deployment.sql(LARGEST)
