"""Every reply ends as completed, as stopped, or as failed with its quota returned."""

import pytest

from parley.core.chat.errors import ModelRefused, ModelUnavailable
from tests.http.answers import events, text_of
from tests.http.conftest import Logs, OpenSite
from tests.http.open_stream import open_stream
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, Site, address, until

BUSY = ModelUnavailable("model_overloaded", "The model is busy.", retry_after=0)
NO = ModelRefused("model_blocked", "The model does not answer this.")


async def test_a_temporary_failure_is_retried(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", "half an ", BUSY)
    model.on("Hello", "a whole answer")
    reply = await mira.hear(await mira.new_room())
    assert (reply["status"], reply["content"], reply["error"]) == ("completed", "a whole answer", None)
    assert model.times_asked("Hello") == 2
    assert await mira.used() == 1


async def test_readers_receive_the_start_of_a_new_attempt(site: Site, mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "half an ", gate, BUSY)
    model.on("Hello", "a whole answer")
    accepted = await mira.ask(await mira.new_room())
    async with open_stream(site.app, accepted["stream_url"]) as stream:
        heard = [await stream.event(), await stream.event()]
        gate.open()
        heard += await stream.rest()
    assert [event.name for event in heard] == ["start", "delta", "start", "delta", "done"]
    assert [event.data for event in heard[:3]] == [{"attempt": 1}, {"text": "half an "}, {"attempt": 2}]
    assert text_of(heard) == "a whole answer" == heard[-1].data["message"]["content"]
    places = [event.place for event in heard]
    assert places == sorted(set(places))

    path = f"{address(accepted['reply'])}/stream"
    for seen in range(len(heard) - 1):
        rest = events(await mira.get(path, headers={"Last-Event-ID": heard[seen].id}))
        assert text_of(heard[: seen + 1] + rest) == "a whole answer"
        assert rest[-1] == heard[-1]


async def test_after_the_last_attempt_the_quota_is_returned(open_site: OpenSite, model: ScriptedModel) -> None:
    mira = await (await open_site(MODEL_MAX_ATTEMPTS="2")).person()
    model.on("Hello", BUSY)
    reply = await mira.hear(await mira.new_room())
    assert reply["status"] == "failed"
    assert reply["error"] == {"code": "model_overloaded", "detail": "The model is busy."}
    assert model.times_asked("Hello") == 2
    assert await mira.used() == 0


async def test_a_refusal_is_final(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", "I ", NO)
    reply = await mira.hear(await mira.new_room())
    assert (reply["status"], reply["content"], reply["usage"]) == ("failed", "I ", None)
    assert reply["error"] == {"code": "model_blocked", "detail": "The model does not answer this."}
    assert reply["completed_at"] is not None
    assert model.times_asked("Hello") == 1
    assert await mira.used() == 0


async def test_the_stream_ends_with_failed(site: Site, mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "I ", gate, NO)
    accepted = await mira.ask(await mira.new_room())
    async with open_stream(site.app, accepted["stream_url"]) as stream:
        heard = [await stream.event(), await stream.event()]
        gate.open()
        heard += await stream.rest()
    assert [event.name for event in heard] == ["start", "delta", "failed"]
    assert heard[-1].data == {"message": await mira.ended(accepted["reply"])}
    late = events(await mira.get(accepted["stream_url"]))
    assert late == heard
    end = await mira.get(accepted["stream_url"], headers={"Last-Event-ID": heard[-1].id})
    assert end.status_code == 204


async def test_a_failed_reply_does_not_block_its_room(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("First", gate, "wrong words", NO)
    room = await mira.new_room()
    first = (await mira.ask(room, "First"))["reply"]
    second = (await mira.ask(room, "Second"))["reply"]
    gate.open()
    assert (await mira.ended(first))["status"] == "failed"
    assert (await mira.ended(second))["status"] == "completed"
    assert model.asked[-1] == [("user", "Second")]


async def test_an_unexpected_error_fails_without_showing_its_message(
    open_site: OpenSite, model: ScriptedModel, logs: Logs
) -> None:
    mira = await (await open_site(MODEL_MAX_ATTEMPTS="1")).person()
    model.on("Hello", RuntimeError("swordfish"))
    reply = await mira.hear(await mira.new_room())
    assert reply["status"] == "failed"
    assert reply["error"]["code"] == "internal_error"
    assert "swordfish" not in str(reply)
    assert await mira.used() == 0

    async def logged() -> bool:
        return [entry["id"] for entry in logs if entry["event"] == "task_crashed"] == [reply["id"]]

    await until(logged)


@pytest.mark.parametrize(
    ("setting", "steps"),
    [("MODEL_FIRST_TOKEN_SECONDS", ()), ("MODEL_IDLE_SECONDS", ("one ",)), ("MODEL_TOTAL_SECONDS", ("one ",))],
)
async def test_a_silent_model_is_abandoned(
    open_site: OpenSite, model: ScriptedModel, setting: str, steps: tuple[str, ...]
) -> None:
    mira = await (await open_site(MODEL_MAX_ATTEMPTS="1", **{setting: "0.05"})).person()
    model.on("Hello", *steps, Gate())
    reply = await mira.hear(await mira.new_room())
    assert (reply["status"], reply["error"]["code"]) == ("failed", "model_timeout")
    assert reply["content"] == "".join(steps)
    assert await mira.used() == 0


async def test_characters_that_no_database_stores_are_removed_from_a_reply(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", "a\x00b ", "\ud83d", " c \ud800")
    accepted = await mira.ask(await mira.new_room())
    reply = await mira.ended(accepted["reply"])
    assert (reply["status"], reply["content"]) == ("completed", "ab ? c ?")
    assert text_of(events(await mira.get(accepted["stream_url"]))) == "ab ? c ?"


async def test_two_failed_replies_return_two_messages(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", NO)
    room = await mira.new_room()
    await mira.hear(room, "Fine")
    for _ in range(2):
        await mira.hear(room)
    assert await mira.used() == 1
    assert (await mira.get("/user/usage")).json()["tokens"] == {"input": 1, "output": 7, "estimated": 0}
