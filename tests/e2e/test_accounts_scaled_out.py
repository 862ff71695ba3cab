"""Accounts on two API processes and a worker, with codes sent as real mails and text messages."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.process import ended, new_room, say
from tests.e2e.scaled_out import (
    LONG_PATIENCE,
    ScaledOut,
    Who,
    mailed_code,
    scaled_out,
    seconds_until_refused,
    texted_code,
)
from tests.servers.mail_server import mail_server

A, B = 0, 1
MIRA = {"email": "mira@example.com"}
RAVI = {"mobile_number": "+919876543210"}
OLD, NEW, NEWEST = "the old password of a person", "a new password of a person", "the newest password of a person"
# The contract's limit, counted from the response that ended the session.
REVOCATION_SECONDS = 1.0


@dataclass
class Person:
    """A person with several devices, each at one API process. `lags` tells how long ended sessions were accepted."""

    deployment: ScaledOut
    who: Who
    code: Callable[[], Awaitable[str]]
    stack: AsyncExitStack
    lags: dict[str, float] = field(default_factory=dict)

    async def post(self, api: int, path: str, **fields: str) -> dict[str, Any]:
        answer = await self.deployment.post(api, path, {**self.who, **fields})
        assert answer.is_success, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def refused(self, api: int, path: str, **fields: str) -> str:
        answer = await self.deployment.post(api, path, {**self.who, **fields})
        assert answer.status_code == 401
        return str(answer.json()["code"])

    async def device(self, api: int, token: str) -> httpx.AsyncClient:
        return await self.stack.enter_async_context(self.deployment.visitor(api, token))

    async def record_lag(self, what: str, device: httpx.AsyncClient, since: float) -> None:
        self.lags[what] = await seconds_until_refused(device, since)


async def test_people_with_either_identity_use_two_devices_and_processes(tmp_path: Path) -> None:
    async with mail_server() as mail, scaled_out(tmp_path, mail.port) as deployment, AsyncExitStack() as stack:
        mira = Person(deployment, MIRA, lambda: mailed_code(mail, MIRA), stack)
        ravi = Person(deployment, RAVI, lambda: texted_code(deployment.gateway, RAVI), stack)
        await asyncio.gather(*(use_an_account(person) for person in (mira, ravi)))

        for person in (mira, ravi):
            assert len(person.lags) == 5
            assert max(person.lags.values()) <= REVOCATION_SECONDS, person.lags
        assert "Traceback" not in deployment.logs()


async def use_an_account(person: Person) -> None:
    phone, laptop = await sign_up(person)
    await send_a_message(person, phone["access_token"])
    await reset_the_password(person, phone, laptop)
    phone, laptop = [await person.post(api, "/auth/login", password=NEW) for api in (A, B)]
    await end_one_device(person, phone, laptop)
    await change_the_password(person, phone)


async def sign_up(person: Person) -> tuple[dict[str, Any], dict[str, Any]]:
    signup = await person.post(A, "/auth/signup", password=OLD)
    assert await person.refused(B, "/auth/login", password=OLD) == "credentials_invalid"
    assert "otp" not in await person.post(A, "/auth/send-otp")
    code = await person.code()
    phone = await person.post(A, "/auth/verify-otp", otp=code, signup_token=signup["signup_token"])
    assert phone["created"]
    assert phone["user"]["password_set"]
    assert await person.refused(B, "/auth/verify-otp", otp=code) == "otp_invalid"
    assert await person.refused(B, "/auth/login", password=NEW) == "credentials_invalid"
    return phone, await person.post(B, "/auth/login", password=OLD)


async def send_a_message(person: Person, token: str) -> None:
    at_a, at_b = [await person.device(api, token) for api in (A, B)]
    accepted = await say(at_a, await new_room(at_a), "[[words 5]] Where is it warm in May?")
    assert (await ended(at_b, accepted["reply"]))["content"].split() == [f"word{number}" for number in range(5)]


async def reset_the_password(person: Person, *sessions: dict[str, Any]) -> None:
    devices = [await person.device(B, session["access_token"]) for session in sessions]
    assert [(await device.get("/user/me")).status_code for device in devices] == [200, 200]
    await person.post(B, "/auth/forgot-password")
    code = await person.code()
    await person.post(A, "/auth/reset-password", otp=code, new_password=NEW)
    since = now()
    names = ("reset: one device", "reset: the other")
    await asyncio.gather(*(person.record_lag(*each, since) for each in zip(names, devices, strict=True)))
    for session in sessions:
        answer = await person.deployment.post(B, "/auth/refresh", {"refresh_token": session["refresh_token"]})
        assert (answer.status_code, answer.json()["code"]) == (401, "refresh_token_invalid")
    assert await person.refused(B, "/auth/login", password=OLD) == "credentials_invalid"


async def end_one_device(person: Person, phone: dict[str, Any], laptop: dict[str, Any]) -> None:
    phone_a, phone_b = [await person.device(api, phone["access_token"]) for api in (A, B)]
    laptop_b = await person.device(B, laptop["access_token"])
    sessions = (await laptop_b.get("/auth/sessions")).json()["items"]
    assert len(sessions) == 2
    [current] = [session["id"] for session in sessions if session["current"]]
    assert (await phone_a.delete(f"/auth/sessions/{current}")).status_code == 204
    await person.record_lag("ended", laptop_b, now())
    answer = await person.deployment.post(B, "/auth/refresh", {"refresh_token": laptop["refresh_token"]})
    assert answer.status_code == 401
    assert [(await device.get("/user/me")).status_code for device in (phone_a, phone_b)] == [200, 200]


async def change_the_password(person: Person, phone: dict[str, Any]) -> None:
    phone_a, phone_b = [await person.device(api, phone["access_token"]) for api in (A, B)]
    tablet_b = await person.device(B, (await person.post(B, "/auth/login", password=NEW))["access_token"])
    change = {"current_password": NEW, "new_password": NEWEST}
    assert (await phone_a.post("/auth/change-password", json=change)).status_code == 200
    await person.record_lag("changed", tablet_b, now())
    assert (await phone_b.post("/auth/logout")).status_code == 204
    await person.record_lag("logged out", phone_a, now())
    await person.post(A, "/auth/login", password=NEWEST)


async def test_a_code_arrives_although_the_mail_server_refuses_the_first_attempts(tmp_path: Path) -> None:
    async with AsyncExitStack() as refusing:
        port = (await refusing.enter_async_context(mail_server("--reply", "DATA", "451", "Try again later"))).port
        async with scaled_out(tmp_path, port) as deployment:
            assert (await deployment.post(A, "/auth/send-otp", MIRA)).status_code == 200
            await has_failed(deployment, 1)
            await skip_the_delay(deployment)
            await has_failed(deployment, 2)
            await refusing.aclose()
            async with mail_server("--port", str(port)) as mail:
                await skip_the_delay(deployment)
                code = await mailed_code(mail, MIRA)
                await sign_in_with(deployment, MIRA, code)
            await no_delivery_remains(deployment)


async def has_failed(deployment: ScaledOut, count: int) -> None:
    async with asyncio.timeout(LONG_PATIENCE):
        while await deployment.sql("SELECT failures FROM messages_to_owners") < count:
            await asyncio.sleep(0.05)


async def skip_the_delay(deployment: ScaledOut) -> None:
    """Move the end of the delay, which is stored together with the failure, instead of waiting for it."""
    await deployment.sql("UPDATE messages_to_owners SET claimable_at = claimable_at - interval '1 min'")


async def test_codes_arrive_although_their_worker_dies_and_redis_is_emptied(tmp_path: Path) -> None:
    async with scaled_out(tmp_path) as deployment:
        await kill_a_worker_while_it_sends(deployment)
        await empty_redis_after_the_answer(deployment)
        await no_delivery_remains(deployment)
        assert deployment.gateway.requests.empty()


async def kill_a_worker_while_it_sends(deployment: ScaledOut) -> None:
    deployment.gateway.hanging = True
    assert (await deployment.post(A, "/auth/send-otp", RAVI)).status_code == 200
    unanswered = await texted_code(deployment.gateway, RAVI)
    await deployment.workers[0].kill()
    deployment.gateway.hanging = False
    await deployment.start_worker()
    assert deployment.gateway.requests.empty(), "another worker sent it while the first had its lease"
    # Move the end of the lease of 30 s instead of waiting for it.
    await deployment.sql("UPDATE messages_to_owners SET claimable_at = claimable_at - interval '30 s'")
    code = await texted_code(deployment.gateway, RAVI)
    assert code == unanswered
    await sign_in_with(deployment, RAVI, code)


async def empty_redis_after_the_answer(deployment: ScaledOut) -> None:
    # With a worker, whose consumer group is gone.
    deployment.redis.flush()
    assert (await deployment.post(A, "/auth/send-otp", RAVI)).status_code == 200
    deployment.redis.flush()
    await sign_in_with(deployment, RAVI, await texted_code(deployment.gateway, RAVI))
    # With no worker that could have taken it before.
    deployment.workers[-1].signal(signal.SIGKILL)
    await deployment.workers[-1].ended()
    assert (await deployment.post(B, "/auth/send-otp", RAVI)).status_code == 200
    deployment.redis.flush()
    await deployment.start_worker()
    await sign_in_with(deployment, RAVI, await texted_code(deployment.gateway, RAVI))


async def sign_in_with(deployment: ScaledOut, who: Who, code: str) -> None:
    answer = await deployment.post(B, "/auth/verify-otp", {**who, "otp": code})
    assert answer.status_code == 200, answer.text


async def no_delivery_remains(deployment: ScaledOut) -> None:
    """Wait until the sent code is stored nowhere."""
    async with asyncio.timeout(LONG_PATIENCE):
        while await deployment.sql("SELECT count(*) FROM messages_to_owners"):
            await asyncio.sleep(0.02)


async def test_of_100_parallel_guesses_at_two_processes_exactly_the_limit_is_checked(tmp_path: Path) -> None:
    settings = {"AUTH_REQUESTS_PER_MINUTE": "20", "TRUSTED_PROXIES": "127.0.0.1"}
    async with scaled_out(tmp_path, workers=0, **settings) as deployment, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(deployment.visitor(api)) for api in (A, B)]

        async def guess(number: int, address: str, account: str) -> httpx.Response:
            body = {"email": f"{account}@example.com", "password": NEW}
            return await clients[number % 2].post("/auth/login", json=body, headers={"X-Forwarded-For": address})

        bursts = {
            "one address, many accounts": [guess(number, "198.51.100.1", f"a{number}") for number in range(100)],
            "many addresses, one account": [guess(number, f"192.0.2.{number}", "mira") for number in range(100)],
        }
        compared = {"one address, many accounts": 20, "many addresses, one account": 5}
        for spread, guesses in bursts.items():
            answers = await asyncio.gather(*guesses)
            # On a busy machine some guesses within the limit are refused because too many hashes wait.
            statuses = Counter({503: 401}.get(answer.status_code, answer.status_code) for answer in answers)
            assert statuses == {401: compared[spread], 429: 100 - compared[spread]}, spread
            limited = [answer for answer in answers if answer.status_code == 429]
            assert all(int(answer.headers["Retry-After"]) > 0 for answer in limited)


def now() -> float:
    return asyncio.get_running_loop().time()
