"""An account is suspended at one API process: another one refuses it within a second, an open stream there included."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from tests.e2e.process import new_room, run_parley, say
from tests.e2e.scaled_out import ScaledOut, scaled_out, texted_code

A, B = 0, 1
ADMIN_TOKEN = "the token of the operator of this test"
RAVI = {"mobile_number": "+919876543210"}
# The contract's limit, counted from the answer that suspended the account.
SECONDS = 1.0


def now() -> float:
    return asyncio.get_running_loop().time()


async def signed_in(deployment: ScaledOut) -> str:
    await deployment.post(A, "/auth/send-otp", RAVI)
    code = await texted_code(deployment.gateway, RAVI)
    answer = await deployment.post(A, "/auth/verify-otp", RAVI | {"otp": code})
    return str(answer.json()["access_token"])


async def refused_after(client: httpx.AsyncClient, since: float) -> float:
    """The time from `since` until the last accepted request was sent; 0 if none was accepted."""
    last = since
    while True:
        sent = now()
        answer = await client.get("/models")
        if answer.status_code == 401:
            assert answer.json()["code"] == "account_suspended"
            return last - since
        last = sent
        await asyncio.sleep(0.005)


async def test_another_process_refuses_a_suspended_account_and_ends_its_stream_within_a_second(tmp_path: Path) -> None:
    async with scaled_out(tmp_path, ADMIN_TOKEN=ADMIN_TOKEN) as deployment, AsyncExitStack() as stack:
        token = await signed_in(deployment)
        ravi, operator = [
            await stack.enter_async_context(deployment.visitor(api, each))
            for api, each in ((B, token), (A, ADMIN_TOKEN))
        ]
        key = (await ravi.post("/user/keys", json={"name": "Nightly"})).json()["key"]
        program = await stack.enter_async_context(deployment.visitor(B, key))
        assert (await program.get("/models")).status_code == 200
        accepted = await say(ravi, await new_room(ravi), "[[words 300]] [[drip 0.1]]")
        account = f"/admin/accounts/{(await ravi.get('/user/me')).json()['id']}"

        async with ravi.stream("GET", accepted["stream_url"]) as stream:
            lines = stream.aiter_lines()
            async for line in lines:
                if line == "event: delta":
                    break
            assert (await operator.patch(account, json={"suspended": True})).status_code == 200
            suspended_at = now()

            async def rest() -> tuple[list[str], float]:
                return [line async for line in lines], now()

            (ending, ended_at), by_token, by_key = await asyncio.gather(
                rest(), refused_after(ravi, suspended_at), refused_after(program, suspended_at)
            )
        assert max(ended_at - suspended_at, by_token, by_key) <= SECONDS
        assert ending[-4].startswith("id: ")
        assert ending[-3:-1] == ["event: error", ending[-2]]
        assert json.loads(ending[-2].removeprefix("data: "))["code"] == "account_suspended"
        for person in (ravi, program):
            refusal = await person.get("/models")
            assert (refusal.status_code, refusal.json()["code"]) == (401, "account_suspended")

        # From another machine, which reads and writes the database only.
        settings = deployment.settings
        code, out, _ = await run_parley(
            deployment.apis[A].folder, "account", "resume", RAVI["mobile_number"], **settings
        )
        assert (code, out) == (0, f"{RAVI['mobile_number']}: resumed\n")
        async with asyncio.timeout(SECONDS):
            while (await ravi.get("/user/me")).status_code != 200:
                await asyncio.sleep(0.01)
        # Keys do not live through a suspension, sessions do.
        assert (await program.get("/models")).json()["code"] in {"api_key_invalid", "token_invalid"}
        code, _, err = await run_parley(
            deployment.apis[A].folder, "account", "erase", "--yes", *RAVI.values(), **settings
        )
        assert code == 0, err
        assert "Traceback" not in deployment.logs() + err
