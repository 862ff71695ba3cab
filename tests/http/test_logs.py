"""Logs never contain codes, passwords, tokens or message text."""

import traceback

from parley.core.chat.errors import ModelRefused
from parley.core.errors import Unavailable
from tests.http.conftest import Logs
from tests.http.scripted_model import ScriptedModel
from tests.http.site import MIRA, Clock, Site, until

PASSWORD = "correct horse battery staple"
THOUGHT = "a thought of Mira's"
ANSWER = "an answer for Mira alone"


def written(logs: Logs) -> str:
    """The log as it would be written, with tracebacks."""
    lines = []
    for entry in logs:
        lines.append(repr({name: value for name, value in entry.items() if name != "exc_info"}))
        if isinstance(entry.get("exc_info"), BaseException):
            lines += traceback.format_exception(entry["exc_info"])
    return "\n".join(lines)


async def test_every_request_is_logged_and_no_log_line_contains_a_secret(
    site: Site, model: ScriptedModel, clock: Clock, logs: Logs
) -> None:
    person = site.visitor()
    who = {"mobile_number": MIRA}
    signup = (await person.post("/auth/signup", json=who | {"password": PASSWORD})).json()["signup_token"]
    code = (await person.post("/auth/send-otp", json=who)).json()["otp"]
    body = who | {"otp": code, "signup_token": signup}
    session = (await person.post("/auth/verify-otp", json=body)).json()
    await person.post("/auth/login", json=who | {"password": PASSWORD + "!"})
    await person.post("/auth/refresh", json={"refresh_token": session["refresh_token"]})
    person.identify(session["access_token"])
    room = await person.new_room(THOUGHT, instructions=THOUGHT)
    model.on(THOUGHT, ANSWER)
    accepted = await person.ask(room, THOUGHT, key="key of Mira's")
    await person.ended(accepted["reply"])
    await site.visitor().get(accepted["stream_url"])
    model.on("Fail", ANSWER, ModelRefused("model_refused", "No."))
    await person.hear(room, "Fail")
    model.on("Crash", ANSWER, RuntimeError("crash"))
    await person.ask(room, "Crash")
    await person.post("/chatroom", content=f'{{"name": "{THOUGHT}'.encode() + b'\xff"}')
    clock.fault = RuntimeError("crash")
    await person.say(room, THOUGHT)
    clock.fault = None

    log = written(logs)
    assert len([entry for entry in logs if entry["event"] == "request"]) >= 14
    ticket = accepted["stream_url"].partition("ticket=")[2]
    for secret in (
        PASSWORD,
        THOUGHT,
        ANSWER,
        MIRA,
        signup,
        ticket,
        session["access_token"],
        session["refresh_token"],
        "key of Mira's",
        f"'{code}'",
        f'"{code}"',
    ):
        assert secret not in log


async def test_a_request_is_logged_with_its_path_and_status(site: Site, logs: Logs) -> None:
    answer = await site.visitor().get("/user/me?token=secret")
    [line] = [entry for entry in logs if entry["event"] == "request"]
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "path": "/user/me",
        "status": 401,
        "request_id": answer.headers["x-request-id"],
        "address": "127.0.0.1",
    }


async def test_log_lines_of_a_reply_have_its_id_from_the_request_to_the_end(
    site: Site, model: ScriptedModel, logs: Logs
) -> None:
    mira = await site.person()
    room = await mira.new_room()
    model.on("Crash", RuntimeError("crash"))
    model.on("Crash", "A second attempt")
    accepted = await mira.say(room, "Crash")
    reply = (await mira.ended(accepted.json()["reply"]))["id"]
    account = (await mira.get("/user/me")).json()["id"]

    def lines() -> Logs:
        return [entry for entry in logs if entry.get("reply_id") == reply]

    async def logged() -> bool:
        return {"reply_ended", "task_crashed"} <= {entry["event"] for entry in lines()}

    await until(logged)
    posted = next(entry for entry in lines() if entry["event"] == "request")
    assert posted["request_id"] == accepted.headers["x-request-id"]
    names = {"reply_id": reply, "room_id": room, "account_id": account}
    for event in ("attempt_failed", "reply_ended"):
        [line] = [entry for entry in lines() if entry["event"] == event]
        assert names.items() <= line.items()
        assert "request_id" not in line


async def test_the_log_line_of_a_request_has_the_account(site: Site, logs: Logs) -> None:
    mira = await site.person()
    account = (await mira.get("/user/me")).json()["id"]
    await site.visitor().get("/health/live")
    requests = [entry for entry in logs if entry["event"] == "request"]
    assert [entry.get("account_id") for entry in requests[-2:]] == [account, None]


async def test_the_log_line_of_a_503_has_its_cause_and_the_answer_has_not(site: Site, clock: Clock, logs: Logs) -> None:
    mira = await site.person()
    clock.fault_once = Unavailable("the database is shutting down")
    answer = await mira.get("/chatroom")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "shutting down" not in answer.text
    assert int(answer.headers["retry-after"]) > 0
    [line] = [entry for entry in logs if entry.get("status") == 503]
    assert line["cause"] == "the database is shutting down"
