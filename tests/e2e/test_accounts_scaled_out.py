"""Accounts on two API processes and a worker, with codes that come by real mail and real text messages."""

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
OLD, NEW, NEWEST = "an old password of theirs", "a new password of theirs", "the newest password of theirs"
# The contract's figure, counted from the answer that ended the session.
PROMISED_SECONDS = 1.0


@dataclass
class Person:
    """One who signs in on devices, each of them at an API process. `lags`: how long ended sessions were let in."""

    town: ScaledOut
    who: Who
    code: Callable[[], Awaitable[str]]
    stack: AsyncExitStack
    lags: dict[str, float] = field(default_factory=dict)

    async def post(self, api: int, path: str, **fields: str) -> dict[str, Any]:
        answer = await self.town.post(api, path, {**self.who, **fields})
        assert answer.is_success, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def refused(self, api: int, path: str, **fields: str) -> str:
        answer = await self.town.post(api, path, {**self.who, **fields})
        assert answer.status_code == 401
        return str(answer.json()["code"])

    async def device(self, api: int, token: str) -> httpx.AsyncClient:
        return await self.stack.enter_async_context(self.town.visitor(api, token))

    async def notes_lag(self, what: str, device: httpx.AsyncClient, since: float) -> None:
        self.lags[what] = await seconds_until_refused(device, since)


async def test_people_with_either_identity_live_on_two_devices_and_processes(tmp_path: Path) -> None:
    async with mail_server() as mail, scaled_out(tmp_path, mail.port) as town, AsyncExitStack() as stack:
        mira = Person(town, MIRA, lambda: mailed_code(mail, MIRA), stack)
        ravi = Person(town, RAVI, lambda: texted_code(town.gateway, RAVI), stack)
        await asyncio.gather(*(live(person) for person in (mira, ravi)))

        for person in (mira, ravi):
            assert len(person.lags) == 5
            assert max(person.lags.values()) <= PROMISED_SECONDS, person.lags
        assert "Traceback" not in town.logs()


async def live(person: Person) -> None:
    phone, laptop = await signs_up(person)
    await talks(person, phone["access_token"])
    await forgets_the_password(person, phone, laptop)
    phone, laptop = [await person.post(api, "/auth/login", password=NEW) for api in (A, B)]
    await ends_one_device(person, phone, laptop)
    await changes_the_password(person, phone)


async def signs_up(person: Person) -> tuple[dict[str, Any], dict[str, Any]]:
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


async def talks(person: Person, token: str) -> None:
    at_a, at_b = [await person.device(api, token) for api in (A, B)]
    accepted = await say(at_a, await new_room(at_a), "[[words 5]] Where is it warm in May?")
    assert (await ended(at_b, accepted["reply"]))["content"].split() == [f"word{number}" for number in range(5)]


async def forgets_the_password(person: Person, *sessions: dict[str, Any]) -> None:
    devices = [await person.device(B, session["access_token"]) for session in sessions]
    assert [(await device.get("/user/me")).status_code for device in devices] == [200, 200]
    await person.post(B, "/auth/forgot-password")
    code = await person.code()
    await person.post(A, "/auth/reset-password", otp=code, new_password=NEW)
    since = now()
    names = ("reset: one device", "reset: the other")
    await asyncio.gather(*(person.notes_lag(*each, since) for each in zip(names, devices, strict=True)))
    for session in sessions:
        answer = await person.town.post(B, "/auth/refresh", {"refresh_token": session["refresh_token"]})
        assert (answer.status_code, answer.json()["code"]) == (401, "refresh_token_invalid")
    assert await person.refused(B, "/auth/login", password=OLD) == "credentials_invalid"


async def ends_one_device(person: Person, phone: dict[str, Any], laptop: dict[str, Any]) -> None:
    phone_a, phone_b = [await person.device(api, phone["access_token"]) for api in (A, B)]
    laptop_b = await person.device(B, laptop["access_token"])
    sessions = (await laptop_b.get("/auth/sessions")).json()["items"]
    assert len(sessions) == 2
    [current] = [session["id"] for session in sessions if session["current"]]
    assert (await phone_a.delete(f"/auth/sessions/{current}")).status_code == 204
    await person.notes_lag("ended", laptop_b, now())
    answer = await person.town.post(B, "/auth/refresh", {"refresh_token": laptop["refresh_token"]})
    assert answer.status_code == 401
    assert [(await device.get("/user/me")).status_code for device in (phone_a, phone_b)] == [200, 200]


async def changes_the_password(person: Person, phone: dict[str, Any]) -> None:
    phone_a, phone_b = [await person.device(api, phone["access_token"]) for api in (A, B)]
    tablet_b = await person.device(B, (await person.post(B, "/auth/login", password=NEW))["access_token"])
    change = {"current_password": NEW, "new_password": NEWEST}
    assert (await phone_a.post("/auth/change-password", json=change)).status_code == 200
    await person.notes_lag("changed", tablet_b, now())
    assert (await phone_b.post("/auth/logout")).status_code == 204
    await person.notes_lag("logged out", phone_a, now())
    await person.post(A, "/auth/login", password=NEWEST)


async def test_a_code_arrives_although_the_mail_server_puts_the_first_tries_off(tmp_path: Path) -> None:
    async with AsyncExitStack() as refusing:
        port = (await refusing.enter_async_context(mail_server("--reply", "DATA", "451", "Try again later"))).port
        async with scaled_out(tmp_path, port) as town:
            assert (await town.post(A, "/auth/send-otp", MIRA)).status_code == 200
            async with asyncio.timeout(LONG_PATIENCE):
                while await town.sql("SELECT failures FROM deliveries") < 2:
                    await asyncio.sleep(0.05)
            await refusing.aclose()
            async with mail_server("--port", str(port)) as mail:
                code = await mailed_code(mail, MIRA)
                await signs_in(town, MIRA, code)
            await nothing_waits(town)


async def test_codes_arrive_although_their_worker_dies_and_redis_forgets(tmp_path: Path) -> None:
    async with scaled_out(tmp_path) as town:
        await a_worker_dies_while_it_sends(town)
        await redis_is_emptied_after_the_answer(town)
        await nothing_waits(town)
        assert town.gateway.requests.empty()


async def a_worker_dies_while_it_sends(town: ScaledOut) -> None:
    town.gateway.hanging = True
    assert (await town.post(A, "/auth/send-otp", RAVI)).status_code == 200
    unanswered = await texted_code(town.gateway, RAVI)
    await town.workers[0].kill()
    town.gateway.hanging = False
    await town.start_worker()
    assert town.gateway.requests.empty(), "another worker sent it while the first had its lease"
    # The lease has 30 s. Not the test waits for its end, but its end comes to the test.
    await town.sql("UPDATE deliveries SET claimable_at = claimable_at - interval '30 s'")
    code = await texted_code(town.gateway, RAVI)
    assert code == unanswered
    await signs_in(town, RAVI, code)


async def redis_is_emptied_after_the_answer(town: ScaledOut) -> None:
    # With the worker there, and with its group of readers gone from under it.
    town.redis.flush()
    assert (await town.post(A, "/auth/send-otp", RAVI)).status_code == 200
    town.redis.flush()
    await signs_in(town, RAVI, await texted_code(town.gateway, RAVI))
    # With nobody there who could have taken it before.
    town.workers[-1].signal(signal.SIGKILL)
    await town.workers[-1].ended()
    assert (await town.post(B, "/auth/send-otp", RAVI)).status_code == 200
    town.redis.flush()
    await town.start_worker()
    await signs_in(town, RAVI, await texted_code(town.gateway, RAVI))


async def signs_in(town: ScaledOut, who: Who, code: str) -> None:
    answer = await town.post(B, "/auth/verify-otp", {**who, "otp": code})
    assert answer.status_code == 200, answer.text


async def nothing_waits(town: ScaledOut) -> None:
    """A code that was sent is kept nowhere."""
    async with asyncio.timeout(LONG_PATIENCE):
        while await town.sql("SELECT count(*) FROM deliveries"):
            await asyncio.sleep(0.02)


async def test_of_100_parallel_guesses_at_two_processes_exactly_the_limit_is_looked_at(tmp_path: Path) -> None:
    settings = {"AUTH_REQUESTS_PER_MINUTE": "20", "TRUSTED_PROXIES": "127.0.0.1"}
    async with scaled_out(tmp_path, workers=0, **settings) as town, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(town.visitor(api)) for api in (A, B)]

        async def guess(number: int, address: str, account: str) -> httpx.Response:
            body = {"email": f"{account}@example.com", "password": NEW}
            return await clients[number % 2].post("/auth/login", json=body, headers={"X-Forwarded-For": address})

        bursts = {
            "one address, many accounts": [guess(number, "198.51.100.1", f"a{number}") for number in range(100)],
            "many addresses, one account": [guess(number, f"192.0.2.{number}", "mira") for number in range(100)],
        }
        for spread, guesses in bursts.items():
            answers = await asyncio.gather(*guesses)
            assert Counter(answer.status_code for answer in answers) == {401: 20, 429: 80}, spread
            throttled = [answer for answer in answers if answer.status_code == 429]
            assert all(int(answer.headers["Retry-After"]) > 0 for answer in throttled)


def now() -> float:
    return asyncio.get_running_loop().time()
