"""Secrets sent to every endpoint, in success, in failure and in outages, appear in no log, problem or metric.

Redis carries the replies and caches the list of rooms. So the scripted model repeats nothing of the question here, and
rooms' names and instructions are allowed in Redis.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

from redis.asyncio import Redis

from tests.e2e.canaries import ApiRecorder, Canaries, RedisMonitor, all_values
from tests.e2e.process import PATIENCE, answers
from tests.e2e.scaled_out import ScaledOut, Who, mailed_code, scaled_out, texted_code
from tests.faults.cluster import becomes
from tests.faults.durable_postgres import durable_postgres, new_database
from tests.servers.mail_server import mail_server

ADMIN_TOKEN = "canary-of-the-operator-in-these-tests"
LOUD = {
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "DEBUG",
    "BASIC_DAILY_LIMIT": "50",
    "OTP_MAX_SENDS_PER_HOUR": "50",
    "ADMIN_TOKEN": ADMIN_TOKEN,
}
IN_THE_CACHE = {"room name", "instructions"}
# Payments have other secrets, the health endpoints have none, and the operator's routes for accounts are called apart.
OTHER_TAGS = {"Subscription", "Operations", "Operator"}
ENDED = {"completed", "failed", "stopped"}


async def test_no_secret_appears_in_any_log_in_redis_or_in_a_problem(tmp_path: Path) -> None:
    async with (
        mail_server() as mail,
        scaled_out(tmp_path, mail.port, database_url=await new_database(), **LOUD) as deployment,
    ):
        mira, ravi, canaries = {"email": "mira.canary@example.com"}, {"mobile_number": "+919876501234"}, Canaries()
        canaries.words |= {mira["email"]: "address", ravi["mobile_number"][1:]: "number", ADMIN_TOKEN: "admin token"}
        async with deployment.visitor(0) as client:
            api = ApiRecorder(client, canaries, (await client.get("/openapi.json")).json())
            monitor = RedisMonitor()
            async with monitor.running(deployment.redis.port):
                (token, password), _ = await asyncio.gather(
                    call_every_operation(api, canaries, mira, lambda: mailed_code(mail, mira)),
                    call_every_operation(api, canaries, ravi, lambda: texted_code(deployment.gateway, ravi)),
                )
                await look_after_an_account(api, canaries, mira["email"], token)
                await call_every_operation_wrongly(api, canaries)
                await call_without_a_database(api, deployment)
                await api.ok("DELETE", "/user/me", token, json={"current_password": password})
                await check_redis(deployment, monitor, canaries)
            deployment.redis.kill()
            assert 200 in await api.repeat(api.calls)
            metrics = await client.get("/metrics")

        every = set(api.operations(without_tags=OTHER_TAGS))
        assert every <= api.succeeded
        assert every <= api.refused
        for worker in deployment.workers:
            await worker.kill()
        check_log_events(deployment.logs())
        assert canaries.found_in(deployment.logs()) == {}
        # A problem names the unknown model that the client asked for.
        assert canaries.found_in("\n".join(api.problems), allowed={"model"}) == {}
        assert canaries.found_in(metrics.text) == {}


async def call_every_operation(
    api: ApiRecorder, canaries: Canaries, who: Who, delivered: Callable[[], Awaitable[str]]
) -> tuple[str, str]:
    """Call every operation except the account's deletion; returns the latest access token and password."""

    async def asked(path: str) -> str:
        await api.ok("POST", path, json=who)
        code = await delivered()
        canaries.codes.add(code)
        return code

    password = await sign_up(api, canaries, who, asked)
    new = canaries.new("new password")
    code = await asked("/auth/forgot-password")
    await api.refused_call("POST", "/auth/reset-password", json={**who, "otp": other_than(code), "new_password": new})
    await api.refused_call("POST", "/auth/reset-password", json={**who, "otp": code, "new_password": new.ljust(200)})
    await api.ok("POST", "/auth/reset-password", json={**who, "otp": code, "new_password": new})
    await api.refused_call("POST", "/auth/login", json={**who, "password": password})

    token = (await api.ok("POST", "/auth/login", json={**who, "password": new}))["access_token"]
    change = {"current_password": new, "new_password": canaries.new("newest password")}
    await api.refused_call("POST", "/auth/change-password", token, json=change | {"current_password": password})
    await api.ok("POST", "/auth/change-password", token, json=change)
    other = await api.ok("POST", "/auth/login", json={**who, "password": change["new_password"]})
    await api.ok("POST", "/auth/refresh", json={"refresh_token": other["refresh_token"]})
    sessions = (await api.ok("GET", "/auth/sessions", token))["items"]
    [ended] = [each["id"] for each in sessions if not each["current"]]
    await api.ok("DELETE", f"/auth/sessions/{ended}", token)

    for path in ("/user/me", "/auth/me", "/user/usage", "/chatroom/usage", "/models", "/health/ready"):
        await api.ok("GET", path, token)
    await api.ok("PATCH", "/user/me", token, json={"name": canaries.new("name")})
    await use_a_room(api, canaries, token)
    key = await api.ok("POST", "/user/keys", token, json={"name": canaries.new("key name")})
    await api.ok("GET", "/user/keys", token)
    await api.ok("GET", "/models", key["key"])
    await api.refused_call("GET", "/user/keys", key["key"])
    await use_openai(api, canaries, key["key"])
    await use_ai_sdk(api, canaries, key["key"])
    await api.ok("GET", "/user/me/export", token)
    await api.ok("DELETE", f"/user/keys/{key['id']}", token)
    await api.refused_call("GET", "/models", key["key"])
    return str(token), change["new_password"]


async def sign_up(api: ApiRecorder, canaries: Canaries, who: Who, asked: Callable[[str], Awaitable[str]]) -> str:
    password = canaries.new("password")
    signup = {**who, "name": canaries.new("name"), "password": password}
    for wrong in (
        {"password": canaries.new("long password", length=200)},
        {"password": [password]},
        {"otp": password},
    ):
        await api.refused_call("POST", "/auth/signup", json=signup | wrong)
    token = (await api.ok("POST", "/auth/signup", json=signup))["signup_token"]
    code = await asked("/auth/send-otp")
    verify = {**who, "otp": code, "signup_token": token}
    canaries.codes.add(other_than(code))
    await api.refused_call("POST", "/auth/verify-otp", json=verify | {"otp": other_than(code)})
    await api.refused_call("POST", "/auth/verify-otp", json=verify | {"signup_token": canaries.new("signup token")})
    await api.refused_call("POST", "/auth/verify-otp", json=verify | {"otp": int(code)})
    await api.ok("POST", "/auth/verify-otp", json=verify)
    await api.refused_call("POST", "/auth/verify-otp", json=verify)
    await api.refused_call("POST", "/auth/login", json={**who, "password": canaries.new("wrong password")})
    session = await api.ok("POST", "/auth/login", json={**who, "password": password})
    await api.ok("POST", "/auth/logout", session["access_token"])
    return password


async def use_a_room(api: ApiRecorder, canaries: Canaries, token: str) -> None:
    new = {"name": canaries.new("room name"), "instructions": canaries.new("instructions")}
    room = f"/chatroom/{(await api.ok('POST', '/chatroom', token, json=new))['id']}"
    await api.refused_call("POST", "/chatroom", token, json=new | {"model": canaries.new("model")})
    await api.ok("GET", "/chatroom", token)
    await api.ok("GET", "/chatroom", token)
    await api.ok("PATCH", room, token, json={"name": canaries.new("room name")})
    await api.refused_call("PATCH", room, token, json={"name": canaries.new("long name", length=300)})
    key = {"Idempotency-Key": canaries.new("key")}
    message = {"content": f"[[words 20]] {canaries.new('text')}"}
    reply = (await api.ok("POST", f"{room}/message", token, json=message, headers=key))["reply"]["id"]
    await api.ok("POST", f"{room}/message", token, json=message, headers=key)
    await api.refused_call("POST", f"{room}/message", token, json={"content": canaries.new("text")}, headers=key)
    await api.refused_call("POST", f"{room}/message", token, json={"content": canaries.new("text", length=32_001)})
    await api.refused_call("POST", f"{room}/message", token, content=f'{{"content": "{canaries.new("text")}')
    await wait_for_end(api, token, room, reply)
    for course in ("[[status 400]]", "[[first 1 status 503]] [[words 5]]", "[[blocked]]", "[[first 1 garbage]]"):
        message = {"content": f"{course} {canaries.new('text')} [[words 5]]"}
        accepted = await api.ok("POST", f"{room}/message", token, json=message)
        await api.ok("GET", accepted["stream_url"])
        await wait_for_end(api, token, room, accepted["reply"]["id"])
    await use_branches(api, canaries, token, room, reply)
    message = {"content": f"[[words 500]] [[drip 0.1]] {canaries.new('text')}"}
    reply = (await api.ok("POST", f"{room}/message", token, json=message))["reply"]["id"]
    await api.ok("POST", f"{room}/messages/{reply}/stop", token)
    for path in (room, f"{room}/messages", f"{room}/messages/{reply}"):
        await api.ok("GET", path, token)
    gone = f"/chatroom/{(await api.ok('POST', '/chatroom', token, json=new))['id']}"
    await api.ok("DELETE", gone, token)


async def use_openai(api: ApiRecorder, canaries: Canaries, key: str) -> None:
    model = (await api.ok("GET", "/v1/models", key))["data"][0]["id"]
    await api.ok("GET", f"/v1/models/{model.replace('/', '%2F')}", key)
    await api.refused_call("GET", "/v1/models/none", key)
    messages = [
        {"role": "system", "content": canaries.new("instructions of a prompt")},
        {"role": "user", "content": f"[[words 5]] {canaries.new('prompt')}"},
    ]
    prompt = {"model": model, "messages": messages}
    await api.ok("POST", "/v1/chat/completions", key, json=prompt)
    await api.ok("POST", "/v1/chat/completions", key, json=prompt | {"stream": True})
    await api.refused_call("POST", "/v1/chat/completions", key, json=prompt | {"tools": [canaries.new("tool")]})
    blocked = [{"role": "user", "content": f"[[blocked]] {canaries.new('prompt')}"}]
    await api.refused_call("POST", "/v1/chat/completions", key, json=prompt | {"messages": blocked})
    response = {"model": model, "input": messages, "instructions": canaries.new("instructions"), "store": False}
    await api.ok("POST", "/v1/responses", key, json=response)
    await api.ok("POST", "/v1/responses", key, json=response | {"stream": True})
    await api.refused_call("POST", "/v1/responses", key, json=response | {"tools": [canaries.new("tool")]})
    await api.refused_call("POST", "/v1/responses", key, json=response | {"input": blocked})
    stored = response | {"store": True, "metadata": {"topic": canaries.new("metadata")}}
    path = f"/v1/responses/{(await api.ok('POST', '/v1/responses', key, json=stored))['id']}"
    await api.ok("GET", path, key)
    await api.ok("GET", f"{path}?stream=true", key)
    await api.ok("GET", f"{path}/input_items", key)
    await api.ok("POST", f"{path}/cancel", key)
    await api.ok("DELETE", path, key)
    await api.refused_call("GET", path, key)
    await use_conversations(api, canaries, key)


async def use_conversations(api: ApiRecorder, canaries: Canaries, key: str) -> None:
    metadata = {"topic": canaries.new("metadata")}
    given = [{"role": role, "content": canaries.new("item")} for role in ("user", "assistant")]
    begun = await api.ok("POST", "/v1/conversations", key, json={"items": given, "metadata": metadata})
    path = f"/v1/conversations/{begun['id']}"
    await api.ok("GET", path, key)
    await api.ok("POST", path, key, json={"metadata": {"topic": canaries.new("metadata")}})
    added = (await api.ok("POST", f"{path}/items", key, json={"items": given}))["data"]
    wrong = [{"role": "system", "content": canaries.new("item")}]
    await api.refused_call("POST", f"{path}/items", key, json={"items": wrong})
    await api.ok("GET", f"{path}/items", key)
    await api.ok("GET", f"{path}/items/{added[1]['id']}", key)
    await api.refused_call("DELETE", f"{path}/items/{added[0]['id']}", key)
    await api.ok("DELETE", f"{path}/items/{added[1]['id']}", key)
    await api.ok("DELETE", path, key)
    await api.refused_call("GET", path, key)


async def use_ai_sdk(api: ApiRecorder, canaries: Canaries, key: str) -> None:
    def chat(text: str) -> dict[str, object]:
        message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": f"{text} {canaries.new('text')}"}]}
        return {"id": "a-chat", "messages": [message]}

    await api.ok("POST", "/api/chat", key, json=chat("[[words 5]]"))
    await api.ok("GET", "/api/chat/a-chat/stream?replay=last", key)
    await api.ok("POST", "/api/chat/a-chat/stop", key)
    await api.refused_call("POST", "/api/chat", key, json=chat("Hi") | {"model": canaries.new("model")})


async def use_branches(api: ApiRecorder, canaries: Canaries, token: str, room: str, reply: str) -> None:
    asked = (await api.ok("GET", f"{room}/messages/{reply}", token))["reply_to"]
    text = {"content": f"[[words 5]] {canaries.new('text')}"}
    edited = await api.ok("POST", f"{room}/messages/{asked}/edit", token, json=text)
    await wait_for_end(api, token, room, edited["reply"]["id"])
    other = await api.ok("POST", f"{room}/messages/{reply}/regenerate", token)
    await wait_for_end(api, token, room, other["reply"]["id"])
    await api.ok("PUT", f"{room}/head", token, json={"message_id": reply})
    feedback = f"{room}/messages/{reply}/feedback"
    await api.ok("PUT", feedback, token, json={"rating": "down", "comment": canaries.new("comment")})
    await api.ok("DELETE", feedback, token)
    await api.ok("GET", "/search", token, params={"q": canaries.new("query")})
    await api.ok("POST", f"{room}/share", token)
    shared = str((await api.ok("GET", f"{room}/share", token))["url"]).rpartition("/shared/")[2]
    await api.ok("GET", f"/shared/{shared}")
    await api.ok("DELETE", f"{room}/share", token)
    await api.refused_call("GET", f"/shared/{shared}")


async def wait_for_end(api: ApiRecorder, token: str, room: str, reply: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while (
            await api.ok("GET", f"{room}/messages/{reply}", token, headers={"Prefer": "wait=10"})
        )["status"] not in ENDED:  # fmt: skip
            pass


async def look_after_an_account(api: ApiRecorder, canaries: Canaries, email: str, token: str) -> None:
    """What an operator sees and does of an account, but for its end: the account goes on."""
    found = await api.ok("GET", "/admin/accounts", ADMIN_TOKEN, params={"q": email})
    account = f"/admin/accounts/{found['items'][0]['id']}"
    await api.ok("GET", account, ADMIN_TOKEN)
    await api.ok("PATCH", account, ADMIN_TOKEN, json={"plan": "pro", "suspended": True})
    await api.refused_call("GET", "/user/me", token)
    await api.ok("PATCH", account, ADMIN_TOKEN, json={"plan": "auto", "suspended": False})
    await api.ok("GET", "/admin/stats", ADMIN_TOKEN)
    await api.refused_call("GET", "/admin/accounts", canaries.new("wrong admin token"), params={"q": email})


async def call_every_operation_wrongly(api: ApiRecorder, canaries: Canaries) -> None:
    """Every operation with invalid tokens, ids, tickets and bodies."""
    for method, template in api.operations(without_tags=()).values():
        path = "/".join(str(uuid4()) if "{" in part else part for part in template.split("/"))
        word = canaries.new("junk")
        fields = dict.fromkeys(("password", "otp", "refresh_token", "email", "mobile_number", "content", "name"), word)
        query = {"ticket": word, "cursor": word, "last_event_id": word}
        for token in (None, word):
            await api.call(method, path, token, params=query, json=None if method == "GET" else fields)


async def call_without_a_database(api: ApiRecorder, deployment: ScaledOut) -> None:
    postgres = durable_postgres()
    await asyncio.to_thread(postgres.kill)
    try:
        assert 503 in await api.repeat(api.calls)
        await becomes(lambda: "outage_began" in deployment.logs())
    finally:
        await asyncio.to_thread(postgres.start)
    for each in deployment.apis:
        assert each.process is not None
        await answers(f"{each.address}/health/ready", each.process)


async def check_redis(deployment: ScaledOut, monitor: RedisMonitor, canaries: Canaries) -> None:
    async with Redis.from_url(deployment.redis.url) as redis:
        values = await all_values(redis)
        await redis.set("control", "the last word")
        await monitor.wait_for("the last word")
    commands = "".join(monitor.commands)
    # The replies, the cached rooms and the rate limits were recorded.
    assert "word4" in commands
    assert "room name" in canaries.found_in(commands)
    assert "parley:throttle:" in values
    assert canaries.found_in(commands, allowed=IN_THE_CACHE) == {}
    assert canaries.found_in(values, allowed=IN_THE_CACHE) == {}


def check_log_events(logs: str) -> None:
    """Every part that might log a secret has logged something."""
    events = ("request", "code_requested", "code_delivered", "signed_in", "password_reset", "outage_began")
    for event in (*events, "accounts_listed", "account_suspended", "operator_refused"):
        assert f'"event": "{event}"' in logs, event


def other_than(code: str) -> str:
    return f"{(int(code) + 1) % 1_000_000:06d}"
