"""Responses in OpenAI's protocol, without storage, read with the types of its client."""

import json
from itertools import pairwise
from typing import Any

import httpx
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from parley.core.chat.errors import ModelRefused, ModelUnavailable
from parley.core.chat.language_model import Reasoning
from tests.http.answers import refused_as_openai_does
from tests.http.conftest import OpenSite
from tests.http.scripted_model import ScriptedModel
from tests.http.site import Person, Site, until

MODEL = "scripted/one"
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


async def respond(person: Person, given: Any = "Hello", **fields: Any) -> httpx.Response:
    return await person.post("/v1/responses", json={"model": MODEL, "input": given, "store": False} | fields)


async def streamed(person: Person, given: Any = "Hello", **fields: Any) -> list[Any]:
    return read_events(await respond(person, given, stream=True, **fields))


def read_events(answer: httpx.Response) -> list[Any]:
    """The events of a stream that has ended, whose numbers grow."""
    assert answer.status_code == 200, answer.text
    read = []
    for frame in answer.text.split("\n\n"):
        if frame and not frame.startswith(":"):
            name, data = frame.split("\n")
            assert name == f"event: {json.loads(data.removeprefix('data: '))['type']}"
            read.append(EVENT.validate_json(data.removeprefix("data: "), strict=True))
    assert all(earlier.sequence_number < later.sequence_number for earlier, later in pairwise(read))
    return read


async def test_a_whole_response_is_forgotten(site: Site, mira: Person, model: ScriptedModel) -> None:
    history = [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "One?"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "One."}]},
        {"role": "user", "content": [{"type": "input_text", "text": "Two?"}]},
    ]
    answer = await respond(mira, history, instructions="Be brief.", temperature=0, top_p=0.5, max_output_tokens=9)
    response = Response.model_validate(answer.json())
    assert (response.status, response.output_text, response.object) == ("completed", "You said: Two?", "response")
    assert response.usage is not None
    assert model.instructions == ["Be brief.\n\nBe kind."]
    assert model.asked == [[("user", "One?"), ("assistant", "One."), ("user", "Two?")]]
    options = model.options[0]
    assert (options.temperature, options.top_p, options.max_tokens) == (0.0, 0.5, 9)

    async def gone() -> bool:
        rows = await site.rows()
        return not (rows["messages"] or rows["rooms"])

    await until(gone)
    assert await mira.used() == 1


async def test_the_events_of_a_stream(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", Reasoning("Hm."), "Hi!")
    events = await streamed(mira)
    item = ["output_item.added", "content_part.added"]
    done = ["content_part.done", "output_item.done"]
    assert [event.type.removeprefix("response.") for event in events] == [
        "created", "in_progress",
        *item, "reasoning_text.delta", "reasoning_text.done", *done,
        *item, "output_text.delta", "output_text.done", *done,
        "completed",
    ]  # fmt: skip
    last = events[-1].response
    assert last.output_text == "Hi!"
    assert [each.type for each in last.output] == ["reasoning", "message"]
    assert last.output[1].id == events[-2].item.id


async def test_a_second_attempt_closes_its_item_and_opens_another(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", "Half an ", ModelUnavailable("model_overloaded", "Busy.", retry_after=0.0))
    model.on("Hello", "An answer")
    events = await streamed(mira)
    done = [event for event in events if event.type == "response.output_item.done"]
    assert [(event.output_index, event.item.status) for event in done] == [(0, "incomplete"), (1, "completed")]
    assert events[-1].response.output_text == "An answer"


async def test_a_failure_after_some_text_is_a_failed_response(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", "Half an ", ModelRefused("content_blocked", "It was blocked."))
    last = (await streamed(mira))[-1]
    assert (last.type, last.response.status, last.response.error.code) == (
        "response.failed", "failed", "invalid_prompt"
    )  # fmt: skip


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"background": True}, "background"),
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"tools": [{}]}, "tools"),
    ({"text": {"format": {"type": "json_object"}}}, "text"),
    ({"input": " "}, "input"),
    ({"input": []}, "input"),
    ({"input": [{"type": "function_call_output"}]}, "input[0].type"),
    ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
    ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
]


async def test_what_is_not_supported_is_named(mira: Person, subtests: pytest.Subtests) -> None:
    for fields, param in WRONG:
        with subtests.test(fields=fields):
            answer = await respond(mira, given=fields.pop("input", "Hello"), **fields)
            assert answer.status_code == 400
            refused_as_openai_does(answer, "invalid_input", param)
    assert await mira.used() == 0


async def test_a_day_that_is_used_up(open_site: OpenSite) -> None:
    mira = await (await open_site(BASIC_DAILY_LIMIT="1")).person()
    assert (await respond(mira)).status_code == 200
    answer = await respond(mira)
    assert (answer.status_code, answer.headers["x-should-retry"]) == (429, "false")
    refused_as_openai_does(answer, "insufficient_quota")


async def test_an_input_that_cannot_be_stored_is_named(mira: Person) -> None:
    refused_as_openai_does(await respond(mira, "a\u0000b"), "invalid_input", "input")


async def test_a_prompt_that_is_too_long_or_blocked_names_its_field(open_site: OpenSite, model: ScriptedModel) -> None:
    mira = await (await open_site(CONTEXT_CHARACTERS="1000")).person()
    refused_as_openai_does(await respond(mira, "x" * 1_200), "context_length_exceeded", "input")
    model.on("Hello", ModelRefused("prompt_blocked", "It was blocked."))
    refused_as_openai_does(await respond(mira), "content_filter", "input")
