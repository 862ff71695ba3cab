"""Canaries through every endpoint, in success, in failure, without a database and without Redis: none is seen again.

Not looked for in Redis: the reply, which is the wire itself, and the list of rooms, which is the cache. So the model's
answer repeats nothing of the question here, and the rooms' names and instructions may be there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

from redis.asyncio import Redis

from tests.e2e.canaries import Canaries, RedisWatch, Tour, all_values
from tests.e2e.process import PATIENCE, answers, run_parley
from tests.e2e.scaled_out import ScaledOut, Who, mailed_code, scaled_out, texted_code
from tests.servers.mail_server import mail_server
from tests.servers.postgres_server import PostgresServer

LOUD = {"LOG_FORMAT": "json", "LOG_LEVEL": "DEBUG", "BASIC_DAILY_LIMIT": "50", "OTP_MAX_SENDS_PER_HOUR": "50"}
IN_THE_CACHE = {"room name", "instructions"}
# Payments have secrets of their own kind, and the health of a process none.
OTHERS = {"Subscription", "Operations"}
ENDED = {"completed", "failed", "stopped"}


async def test_no_secret_turns_up_in_any_log_in_redis_or_in_a_problem(tmp_path: Path) -> None:
    postgres = await asyncio.to_thread(PostgresServer, durable=True)
    try:
        await asyncio.to_thread(postgres.start)
        code, _, err = await run_parley(tmp_path, "migrate", DATABASE_URL=postgres.url)
        assert code == 0, err
        async with (
            mail_server() as mail,
            scaled_out(tmp_path, mail.port, database_url=postgres.url, **LOUD) as town,
        ):
            mira, ravi, canaries = {"email": "mira.canary@example.com"}, {"mobile_number": "+919876501234"}, Canaries()
            canaries.words |= {mira["email"]: "address", ravi["mobile_number"][1:]: "number"}
            async with town.visitor(0) as client:
                tour = Tour(client, canaries, (await client.get("/openapi.json")).json())
                watch = RedisWatch()
                async with watch.watching(town.redis.port):
                    token, _ = await asyncio.gather(
                        goes_everywhere(tour, canaries, mira, lambda: mailed_code(mail, mira)),
                        goes_everywhere(tour, canaries, ravi, lambda: texted_code(town.gateway, ravi)),
                    )
                    await is_refused_everywhere(tour, canaries)
                    await goes_on_without_a_database(tour, postgres, town)
                    await tour.ok("DELETE", "/user/me", token)
                    await redis_holds_none(town, watch, canaries)
                town.redis.kill()
                assert 200 in await tour.repeat(tour.calls)
                metrics = await client.get("/metrics")

            every = set(tour.operations(but=OTHERS))
            assert every <= tour.succeeded
            assert every <= tour.refused
            for worker in town.workers:
                await worker.kill()
            logs_are_loud(town.logs())
            assert canaries.found_in(town.logs()) == {}
            # A model that is not offered is named to whoever asked for it.
            assert canaries.found_in("\n".join(tour.problems), but={"model"}) == {}
            assert canaries.found_in(metrics.text) == {}
    finally:
        await asyncio.to_thread(postgres.remove)


async def goes_everywhere(tour: Tour, canaries: Canaries, who: Who, delivered: Callable[[], Awaitable[str]]) -> str:
    """Through every operation that leaves the account there; the access token at the end."""

    async def asked(path: str) -> str:
        await tour.ok("POST", path, json=who)
        code = await delivered()
        canaries.codes.add(code)
        return code

    password = await signs_up(tour, canaries, who, asked)
    new = canaries.word("new password")
    code = await asked("/auth/forgot-password")
    await tour.no("POST", "/auth/reset-password", json={**who, "otp": other_than(code), "new_password": new})
    await tour.no("POST", "/auth/reset-password", json={**who, "otp": code, "new_password": new.ljust(200)})
    await tour.ok("POST", "/auth/reset-password", json={**who, "otp": code, "new_password": new})
    await tour.no("POST", "/auth/login", json={**who, "password": password})

    token = (await tour.ok("POST", "/auth/login", json={**who, "password": new}))["access_token"]
    change = {"current_password": new, "new_password": canaries.word("newest password")}
    await tour.no("POST", "/auth/change-password", token, json=change | {"current_password": password})
    await tour.ok("POST", "/auth/change-password", token, json=change)
    other = await tour.ok("POST", "/auth/login", json={**who, "password": change["new_password"]})
    await tour.ok("POST", "/auth/refresh", json={"refresh_token": other["refresh_token"]})
    sessions = (await tour.ok("GET", "/auth/sessions", token))["items"]
    [ended] = [each["id"] for each in sessions if not each["current"]]
    await tour.ok("DELETE", f"/auth/sessions/{ended}", token)

    for path in ("/user/me", "/auth/me", "/user/usage", "/chatroom/usage", "/models", "/health/ready"):
        await tour.ok("GET", path, token)
    await tour.ok("PATCH", "/user/me", token, json={"name": canaries.word("name")})
    await chats(tour, canaries, token)
    await tour.ok("GET", "/user/me/export", token)
    return str(token)


async def signs_up(tour: Tour, canaries: Canaries, who: Who, asked: Callable[[str], Awaitable[str]]) -> str:
    password = canaries.word("password")
    signup = {**who, "name": canaries.word("name"), "password": password}
    for wrong in (
        {"password": canaries.word("long password", length=200)},
        {"password": [password]},
        {"otp": password},
    ):
        await tour.no("POST", "/auth/signup", json=signup | wrong)
    token = (await tour.ok("POST", "/auth/signup", json=signup))["signup_token"]
    code = await asked("/auth/send-otp")
    verify = {**who, "otp": code, "signup_token": token}
    canaries.codes.add(other_than(code))
    await tour.no("POST", "/auth/verify-otp", json=verify | {"otp": other_than(code)})
    await tour.no("POST", "/auth/verify-otp", json=verify | {"signup_token": canaries.word("signup token")})
    await tour.no("POST", "/auth/verify-otp", json=verify | {"otp": int(code)})
    await tour.ok("POST", "/auth/verify-otp", json=verify)
    await tour.no("POST", "/auth/verify-otp", json=verify)
    await tour.no("POST", "/auth/login", json={**who, "password": canaries.word("wrong password")})
    session = await tour.ok("POST", "/auth/login", json={**who, "password": password})
    await tour.ok("POST", "/auth/logout", session["access_token"])
    return password


async def chats(tour: Tour, canaries: Canaries, token: str) -> None:
    new = {"name": canaries.word("room name"), "instructions": canaries.word("instructions")}
    room = f"/chatroom/{(await tour.ok('POST', '/chatroom', token, json=new))['id']}"
    await tour.no("POST", "/chatroom", token, json=new | {"model": canaries.word("model")})
    await tour.ok("GET", "/chatroom", token)
    await tour.ok("GET", "/chatroom", token)
    await tour.ok("PATCH", room, token, json={"name": canaries.word("room name")})
    await tour.no("PATCH", room, token, json={"name": canaries.word("long name", length=300)})
    key = {"Idempotency-Key": canaries.word("key")}
    said = {"content": f"[[words 20]] {canaries.word('text')}"}
    reply = (await tour.ok("POST", f"{room}/message", token, json=said, headers=key))["reply"]["id"]
    await tour.ok("POST", f"{room}/message", token, json=said, headers=key)
    await tour.no("POST", f"{room}/message", token, json={"content": canaries.word("text")}, headers=key)
    await tour.no("POST", f"{room}/message", token, json={"content": canaries.word("text", length=32_001)})
    await tour.no("POST", f"{room}/message", token, content=f'{{"content": "{canaries.word("text")}')
    await hears(tour, token, room, reply)
    for course in ("[[status 400]]", "[[first 1 status 503]] [[words 5]]", "[[blocked]]", "[[first 1 garbage]]"):
        said = {"content": f"{course} {canaries.word('text')} [[words 5]]"}
        accepted = await tour.ok("POST", f"{room}/message", token, json=said)
        await tour.ok("GET", accepted["stream_url"])
        await hears(tour, token, room, accepted["reply"]["id"])
    said = {"content": f"[[words 500]] [[drip 0.1]] {canaries.word('text')}"}
    reply = (await tour.ok("POST", f"{room}/message", token, json=said))["reply"]["id"]
    await tour.ok("POST", f"{room}/messages/{reply}/stop", token)
    for path in (room, f"{room}/messages", f"{room}/messages/{reply}"):
        await tour.ok("GET", path, token)
    gone = f"/chatroom/{(await tour.ok('POST', '/chatroom', token, json=new))['id']}"
    await tour.ok("DELETE", gone, token)


async def hears(tour: Tour, token: str, room: str, reply: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (
            await tour.ok("GET", f"{room}/messages/{reply}", token, headers={"Prefer": "wait=10"})
        )["status"] not in ENDED:  # fmt: skip
            pass


async def is_refused_everywhere(tour: Tour, canaries: Canaries) -> None:
    """Every operation with what is no token, no id, no ticket and no body that anybody asked for."""
    for method, template in tour.operations(but=()).values():
        path = "/".join(str(uuid4()) if "{" in part else part for part in template.split("/"))
        word = canaries.word("junk")
        fields = dict.fromkeys(("password", "otp", "refresh_token", "email", "mobile_number", "content", "name"), word)
        query = {"ticket": word, "cursor": word, "last_event_id": word}
        for token in (None, word):
            await tour.call(method, path, token, params=query, json=None if method == "GET" else fields)


async def goes_on_without_a_database(tour: Tour, postgres: PostgresServer, town: ScaledOut) -> None:
    await asyncio.to_thread(postgres.kill)
    assert 503 in await tour.repeat(tour.calls)
    await asyncio.to_thread(postgres.start)
    for api in town.apis:
        assert api.process is not None
        await answers(f"{api.address}/health/ready", api.process)


async def redis_holds_none(town: ScaledOut, watch: RedisWatch, canaries: Canaries) -> None:
    async with Redis.from_url(town.redis.url) as redis:
        values = await all_values(redis)
        await redis.set("control", "the last word")
        await watch.heard("the last word")
    commands = "".join(watch.commands)
    # It was all seen: the wire with the replies, the cache with the rooms, the throttle.
    assert "word4" in commands
    assert "room name" in canaries.found_in(commands)
    assert "parley:throttle:" in values
    assert canaries.found_in(commands, but=IN_THE_CACHE) == {}
    assert canaries.found_in(values, but=IN_THE_CACHE) == {}


def logs_are_loud(logs: str) -> None:
    """All of them could have told."""
    for event in ("request", "code_requested", "code_delivered", "signed_in", "password_reset", "sweep_failed"):
        assert f'"event": "{event}"' in logs, event


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"
