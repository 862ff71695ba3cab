"""Chat completions in OpenAI's protocol, read as bytes."""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from parley.adapters.http.app import LARGEST_BODY
from parley.adapters.http.openai.chunks import ChunkedAnswer
from parley.core.accounts.api_keys import meter_key
from parley.core.chat.errors import ContextTooLong, ModelRefused, ModelUnavailable
from parley.core.chat.language_model import Reasoning
from parley.core.chat.model import EventId, Message, Role, Status
from parley.core.chat.reply_events import AttemptStarted, Delta, KeepAlive, ReplyEvent
from tests.http.answers import refused_as_openai_does
from tests.http.conftest import Logs, OpenSite
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person, Site, until

PATH = "/v1/chat/completions"
MODEL = "scripted/one"
NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
HELLO = [{"role": "user", "content": "Hello"}]


async def complete(person: Person, messages: Any = HELLO, **fields: Any) -> httpx.Response:
    return await person.post(PATH, json={"model": MODEL, "messages": messages} | fields)


async def completed(person: Person, messages: Any = HELLO, **fields: Any) -> dict[str, Any]:
    answer = await complete(person, messages, **fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


async def streamed(person: Person, messages: Any = HELLO, **fields: Any) -> list[Any]:
    """What follows `data: `, in order; JSON is read."""
    answer = await complete(person, messages, stream=True, **fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert answer.headers["x-accel-buffering"] == "no"
    *frames, rest = answer.text.split("\n\n")
    assert rest == ""
    data = [frame.removeprefix("data: ") for frame in frames if not frame.startswith(":")]
    return [each if each == "[DONE]" else json.loads(each) for each in data]


def refused(response: httpx.Response, status: int, code: str, param: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.text
    return refused_as_openai_does(response, code, param)


def text_of(chunks: list[Any], field: str = "content") -> str:
    deltas = [choice["delta"] for chunk in chunks if chunk != "[DONE]" for choice in chunk.get("choices", [])]
    return "".join(delta.get(field) or "" for delta in deltas)


async def gone(site: Site) -> bool:
    """Whether nothing of any prompt is left."""
    rows = await site.rows()
    return not (rows["messages"] or rows["rooms"])


async def test_a_whole_answer(site: Site, mira: Person) -> None:
    answer = await completed(mira)
    assert answer.pop("id").startswith("chatcmpl-")
    assert answer == {
        "object": "chat.completion",
        "created": int(site.clock.now.timestamp()),
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "You said: Hello", "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": 1,
            "completion_tokens": 7,
            "total_tokens": 8,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }
    await until(lambda: gone(site))
    assert await mira.used() == 1


async def test_a_streamed_answer(site: Site, mira: Person) -> None:
    first, *chunks, last, done = await streamed(mira)
    common = {name: first[name] for name in ("id", "object", "created", "model")}
    assert common["object"] == "chat.completion.chunk"
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert text_of(chunks) == "You said: Hello"
    assert last["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    assert done == "[DONE]"
    for chunk in (first, *chunks, last):
        assert {name: chunk[name] for name in common} == common
        assert set(chunk) == {*common, "choices"}
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in (first, *chunks))
    await until(lambda: gone(site))


async def test_the_counts_come_in_a_chunk_of_their_own_if_asked_for(mira: Person) -> None:
    *chunks, counts, done = await streamed(mira, stream_options={"include_usage": True})
    assert (counts["choices"], counts["usage"]["total_tokens"], done) == ([], 8, "[DONE]")
    assert all(chunk["usage"] is None for chunk in chunks)


async def test_reasoning_has_a_field_of_its_own(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", Reasoning("Hm, "), Reasoning("well."), "Hi!")
    message = (await completed(mira))["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Hm, well.", "Hi!")
    chunks = await streamed(mira)
    assert (text_of(chunks, "reasoning_content"), text_of(chunks)) == ("Hm, well.", "Hi!")


async def test_the_conversation_reaches_the_model_as_given(mira: Person, model: ScriptedModel) -> None:
    await completed(
        mira,
        [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {"role": "user", "content": "One?", "name": "mira"},
            {"role": "assistant", "content": "One.", "refusal": None},
            {"role": "user", "content": [{"type": "text", "text": "Two"}, {"type": "text", "text": "three?"}]},
        ],
        temperature=0,
        top_p=0.5,
        max_tokens=9,
        stop="END",
        seed=3,
    )
    assert model.instructions == ["Be brief.\n\nBe kind."]
    assert model.asked == [[("user", "One?"), ("assistant", "One."), ("user", "Two\n\nthree?")]]
    options = model.options[0]
    assert (options.temperature, options.top_p, options.max_tokens) == (0.0, 0.5, 9)
    assert (options.stop, options.seed) == (("END",), 3)


UNEVEN = [
    ([("assistant", "Hi!"), ("user", "Hello")], ["Please continue.", "Hi!", "Hello"]),
    ([("user", "One"), ("user", "Two")], ["One\n\nTwo"]),
    ([("user", "One"), ("assistant", "Two")], ["One", "Two", "Please continue."]),
    ([("user", "One"), ("assistant", None), ("user", "Two")], ["One\n\nTwo"]),
    ([("user", "One"), ("assistant", " "), ("assistant", "Two"), ("user", "Three")], ["One", "Two", "Three"]),
    ([("system", "Begin.")], ["Please continue."]),
    ([("user", "One"), ("system", "Now."), ("user", "Two")], ["One\n\nTwo"]),
]


async def test_turns_alternate_whatever_is_given(mira: Person, model: ScriptedModel, subtests: pytest.Subtests) -> None:
    for said, asked in UNEVEN:
        with subtests.test(said=said):
            await completed(mira, [{"role": role, "content": content} for role, content in said])
            assert [content for _, content in model.asked[-1]] == asked
            roles = [role for role, _ in model.asked[-1]]
            assert roles == [(Role.USER, Role.ASSISTANT)[number % 2].value for number in range(len(roles))]


UNSUPPORTED: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "function"}]}, "tools"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"functions": [{}]}, "functions"),
    ({"n": 2}, "n"),
    ({"logprobs": True}, "logprobs"),
    ({"top_logprobs": 3}, "top_logprobs"),
    ({"logit_bias": {"50256": -100}}, "logit_bias"),
    ({"response_format": {"type": "json_object"}}, "response_format"),
    ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format"),
    ({"presence_penalty": 0.5}, "presence_penalty"),
    ({"frequency_penalty": -1}, "frequency_penalty"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "x"}}, "audio"),
    ({"prediction": {}}, "prediction"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"store": True}, "store"),
    ({"messages": [{"role": "tool", "content": "7", "tool_call_id": "x"}]}, "messages[0].role"),
    ({"messages": [*HELLO, {"role": "assistant", "tool_calls": [{}]}]}, "messages[1].tool_calls"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        "messages[0].content[0].type",
    ),
]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"messages": []}, "messages"),
    ({"messages": "Hello"}, "messages"),
    ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": "  "}, {"role": "assistant", "content": "\u200b"}]}, "messages"),
    ({"messages": [{"role": "user", "content": "a\u0000b"}]}, "messages"),
    ({"temperature": 2.1}, "temperature"),
    ({"temperature": "hot"}, "temperature"),
    ({"top_p": -0.1}, "top_p"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
    ({"stop": list("abcde")}, "stop"),
    ({"stop": ""}, "stop"),
    ({"seed": 2**63}, "seed"),
    ({"stream": "yes"}, "stream"),
    ({"model": None}, "model"),
]


async def test_what_is_wrong_or_not_supported_is_named(site: Site, mira: Person, subtests: pytest.Subtests) -> None:
    before = await site.rows()
    for fields, param in UNSUPPORTED + WRONG:
        with subtests.test(fields=fields):
            body = {"model": MODEL, "messages": HELLO} | fields
            error = refused(await mira.post(PATH, json=body), 400, "invalid_input", param)
            assert error["type"] == "invalid_request_error"
    refused(await mira.post(PATH, json={"messages": HELLO}), 400, "invalid_input", "model")
    assert await site.rows() == before


async def test_what_does_no_harm_is_ignored(mira: Person) -> None:
    await completed(
        mira,
        n=1,
        tools=[],
        tool_choice="auto",
        logprobs=False,
        logit_bias={},
        response_format={"type": "text"},
        presence_penalty=0,
        frequency_penalty=0.0,
        modalities=["text"],
        store=False,
        user="mira",
        metadata={"a": "b"},
        service_tier="auto",
        reasoning_effort="low",
        parallel_tool_calls=True,
        stream_options=None,
        something_new={"x": [1]},
    )


async def test_errors_have_openais_shape_everywhere(site: Site, mira: Person) -> None:
    visitor = site.visitor()
    for header in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer pk-x"}):
        answer = await visitor.get("/v1/models", headers=header)
        assert refused(answer, 401, "invalid_api_key")["type"] == "invalid_request_error"
        assert answer.headers["www-authenticate"] == "Bearer"
    refused(await mira.get("/v1/nothing"), 404, "not_found")
    refused(await mira.get("/v1"), 404, "not_found")
    refused(await mira.get(PATH), 405, "method_not_allowed")
    refused(await mira.post(PATH, content="{", headers={"Content-Type": "application/json"}), 400, "malformed_json")
    refused(await mira.post(PATH, content="{}", headers={"Content-Type": "text/plain"}), 415, "unsupported_media_type")
    large = [{"role": "user", "content": "x" * LARGEST_BODY}]
    refused(await complete(mira, large), 413, "body_too_large")
    answer = await mira.get("/v1x")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_body_of_nearly_a_megabyte_is_read(open_site: OpenSite) -> None:
    site = await open_site(CONTEXT_CHARACTERS="1000000")
    mira = await site.person()
    answer = await completed(mira, [{"role": "user", "content": "x" * (LARGEST_BODY - 200)}])
    assert len(answer["choices"][0]["message"]["content"]) > LARGEST_BODY - 200


async def test_a_prompt_beyond_the_installations_limit_is_refused(open_site: OpenSite) -> None:
    mira = await (await open_site(CONTEXT_CHARACTERS="1000")).person()
    long = [{"role": "user", "content": "x" * 600}] * 2
    refused(await complete(mira, long), 400, "context_length_exceeded", "messages")
    assert await mira.used() == 0


async def test_the_models(mira: Person) -> None:
    listed = (await mira.get("/v1/models")).json()
    one, two = (
        {"id": f"scripted/{name}", "owned_by": "scripted", "object": "model", "created": 0} for name in ("one", "two")
    )
    assert listed == {"object": "list", "data": [one, two]}
    for path in ("/v1/models/scripted/two", "/v1/models/scripted%2Ftwo"):
        assert (await mira.get(path)).json() == two
    for path in ("/v1/models/scripted/three", "/v1/models/gpt-4o"):
        refused(await mira.get(path), 404, "model_not_found", "model")


async def test_an_unknown_model_is_not_found(mira: Person) -> None:
    refused(await complete(mira, model="gpt-4o"), 404, "model_not_found", "model")
    assert await mira.used() == 0


async def test_the_model_is_the_one_that_is_named(mira: Person, model: ScriptedModel) -> None:
    assert (await completed(mira, model="scripted/two"))["model"] == "scripted/two"
    assert model.models == ["two"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_day_that_is_used_up(open_site: OpenSite, stream: bool) -> None:
    mira = await (await open_site(BASIC_DAILY_LIMIT="2")).person()
    for left in (1, 0):
        answer = await complete(mira, stream=stream)
        assert answer.status_code == 200
        assert answer.headers["ratelimit-policy"] == '"daily";q=2;w=86400'
        assert answer.headers["ratelimit"] == f'"daily";r={left};t=43200'
    answer = await complete(mira, stream=stream)
    assert refused(answer, 429, "insufficient_quota")["type"] == "insufficient_quota"
    assert answer.headers["x-should-retry"] == "false"
    assert (answer.headers["retry-after"], answer.headers["ratelimit"]) == ("43200", '"daily";r=0;t=43200')


async def test_parallel_completions_with_one_key_are_exactly_the_quota(open_site: OpenSite) -> None:
    site = await open_site(BASIC_DAILY_LIMIT="5", MAX_PENDING_REPLIES="100")
    mira = await site.person()
    bot = site.visitor()
    bot.identify((await mira.post("/user/keys", json={"name": "A program"})).json()["key"])
    answers = await asyncio.gather(*(complete(bot, stream=number % 2 == 0) for number in range(30)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 25
    assert await mira.used() == 5
    await until(lambda: gone(site))


async def test_an_unmetered_key_completes_beyond_the_quota(open_site: OpenSite) -> None:
    site = await open_site(BASIC_DAILY_LIMIT="1")
    mira = await site.person()
    key = (await mira.post("/user/keys", json={"name": "Titles"})).json()
    await meter_key(site.parley.accounts, key_id=UUID(key["id"]), unmetered=True, by="cli:mira")
    bot = site.visitor()
    bot.identify(key["key"])
    for _ in range(3):
        await completed(bot)
    assert await mira.used() == 0
    await completed(mira)
    refused(await complete(mira), 429, "insufficient_quota")
    await completed(bot)
    [shown] = (await mira.get("/user/keys")).json()["items"]
    assert shown["unmetered"] is True


async def test_too_many_at_once_may_be_tried_again(open_site: OpenSite, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "Hi", gate)
    site = await open_site(MAX_PENDING_REPLIES="1")
    mira = await site.person()
    first = asyncio.create_task(complete(mira))
    await gate.reached()
    answer = await complete(mira)
    refused(answer, 429, "rate_limit_exceeded")
    assert answer.headers["retry-after"] == "1"
    assert "x-should-retry" not in answer.headers
    gate.open()
    assert (await first).status_code == 200
    assert await mira.used() == 1


FAILURES = [
    (ModelRefused("prompt_blocked", "It was blocked."), 400, "content_filter", "messages"),
    (ContextTooLong("It is too long."), 400, "context_length_exceeded", "messages"),
    (ModelRefused("model_rejected_key", "The key is wrong."), 503, "model_rejected_key", None),
]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_failure_before_any_text_has_a_status_of_its_own(
    mira: Person, model: ScriptedModel, subtests: pytest.Subtests, stream: bool
) -> None:
    for failure, status, code, param in FAILURES:
        with subtests.test(failure=failure.code):
            model.on(failure.code, failure)
            answer = await complete(mira, [{"role": "user", "content": failure.code}], stream=stream)
            refused(answer, status, code, param)
            assert ("retry-after" in answer.headers) is (status == 503)
    assert await mira.used() == 0


async def test_a_failure_after_some_text_ends_the_stream_with_an_error(
    site: Site, mira: Person, model: ScriptedModel
) -> None:
    model.on("Hello", "Half an ", ModelRefused("content_blocked", "It was blocked."))
    *chunks, last = await streamed(mira)
    assert text_of(chunks) == "Half an "
    assert last == {
        "error": {
            "message": "It was blocked.", "type": "invalid_request_error", "param": "messages", "code": "content_filter"
        }
    }  # fmt: skip
    await until(lambda: gone(site))


async def test_a_second_attempt_after_some_text_ends_the_stream_with_an_error(
    site: Site, mira: Person, model: ScriptedModel
) -> None:
    model.on("Hello", "Half an ", ModelUnavailable("model_overloaded", "Busy.", retry_after=0.0))
    model.on("Hello", "An answer")
    *chunks, last = await streamed(mira)
    assert text_of(chunks) == "Half an "
    assert (last["error"]["code"], last["error"]["type"]) == ("interrupted", "server_error")
    await until(lambda: gone(site))


async def test_a_second_attempt_before_any_text_does_not_show(mira: Person, model: ScriptedModel) -> None:
    busy = ModelUnavailable("model_overloaded", "Busy.", retry_after=0.0)
    for question, stream in (("One", True), ("Two", False)):
        model.on(question, Reasoning("Hm."), busy)
        model.on(question, "An answer")
        asked = [{"role": "user", "content": question}]
        text = (
            text_of(await streamed(mira, asked))
            if stream
            else (await completed(mira, asked))["choices"][0]["message"]["content"]
        )
        assert text == "An answer"


async def test_a_client_that_leaves_stops_the_model(site: Site, mira: Person, model: ScriptedModel) -> None:
    for stream in (False, True):
        gate = Gate()
        model.on(f"{stream}", "Half an ", gate)
        body = {"model": MODEL, "messages": [{"role": "user", "content": f"{stream}"}], "stream": stream}
        asking = asyncio.create_task(mira.post(PATH, json=body))
        await gate.reached()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await until(lambda: gone(site))
    assert await mira.used() == 2


async def test_nothing_of_a_prompt_is_shown_while_it_is_answered(
    mira: Person, model: ScriptedModel, logs: Logs
) -> None:
    gate = Gate()
    model.on("A canary", "Half a canary", gate)
    asking = asyncio.create_task(complete(mira, [{"role": "user", "content": "A canary"}]))
    await gate.reached()
    for path in ("/chatroom", "/chatroom?archived=true", "/search?q=canary", "/user/me/export"):
        answer = await mira.get(path)
        assert answer.status_code == 200
        assert "canary" not in answer.text
        items = answer.json().get("items", answer.json().get("chatrooms"))
        assert items == []
    gate.open()
    assert (await asking).status_code == 200
    assert "canary" not in repr(logs)


async def test_silence_is_a_comment_and_a_stream_without_an_end_is_an_error() -> None:
    reply = Message(uuid4(), uuid4(), Role.ASSISTANT, "", Status.PENDING, NOW, model=MODEL)

    async def events() -> AsyncGenerator[ReplyEvent, None]:
        yield AttemptStarted(EventId(1, 0))
        yield Delta(EventId(1, 5), "Hello")
        yield KeepAlive()

    answer = ChunkedAnswer(reply, include_usage=False)
    opening, ping, text, silence, error = [frame async for frame in answer.frames(KeepAlive(), events())]
    assert b'"role":"assistant"' in opening
    assert ping == silence == b": ping\n\n"
    assert b'"content":"Hello"' in text
    assert b'"code":"interrupted"' in error
