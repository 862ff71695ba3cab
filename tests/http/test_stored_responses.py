"""Responses that are stored: replies in chatrooms, read with the types of OpenAI's client."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from openai.types.responses import Response, ResponseItemList

from parley.adapters.http.openai.response_numbers import Position, Step
from parley.core.chat.errors import ModelRefused
from parley.core.chat.language_model import Reasoning
from parley.core.chat.parts import PartKind
from tests.http.answers import refused_as_openai_does
from tests.http.conftest import OpenSite
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import RAVI, Person, Site, until
from tests.http.test_responses import MODEL, read_events


async def ask(person: Person, given: Any = "Hello", **fields: Any) -> httpx.Response:
    return await person.post("/v1/responses", json={"model": MODEL, "input": given} | fields)


async def answered(person: Person, given: Any = "Hello", **fields: Any) -> Response:
    return read(await ask(person, given, **fields))


def read(answer: httpx.Response) -> Response:
    assert answer.status_code == 200, answer.text
    return Response.model_validate(answer.json())


async def retrieved(person: Person, response_id: str) -> Response:
    return read(await person.get(f"/v1/responses/{response_id}"))


async def events_of(person: Person, response_id: str, **query: Any) -> list[Any]:
    return read_events(await person.get(f"/v1/responses/{response_id}", params={"stream": "true"} | query))


def room_of(response: Response) -> str:
    assert response.conversation is not None
    return str(UUID(response.conversation.id.removeprefix("conv_")))


async def under_way(person: Person) -> str:
    """The id of the account's only response that is being written, once it has the text «Half »."""
    found: list[str] = []

    async def has_text() -> bool:
        for room in (await person.get("/chatroom")).json()["items"]:
            messages = (await person.get(f"/chatroom/{room['id']}/messages")).json()["items"]
            found.extend(f"resp_{UUID(each['id']).hex}" for each in messages if each["status"] == "generating")
        return bool(found) and (await retrieved(person, found[-1])).output_text == "Half "

    await until(has_text)
    return found[-1]


async def test_a_response_is_a_reply_in_a_chatroom(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", Reasoning("Hm."), "Hi!")
    made = await answered(mira, instructions="Be brief.", temperature=0, metadata={"topic": "greeting"})
    assert (made.status, made.output_text, made.store, made.metadata) == (
        "completed", "Hi!", True, {"topic": "greeting"}
    )  # fmt: skip
    assert (model.instructions, model.options[0].temperature) == (["Be brief."], 0.0)
    messages = (await mira.get(f"/chatroom/{room_of(made)}")).json()["messages"]
    assert [(each["role"], each["content"]) for each in messages] == [("user", "Hello"), ("assistant", "Hi!")]
    assert made.id == f"resp_{UUID(messages[1]['id']).hex}"
    assert await retrieved(mira, made.id) == made
    assert await mira.used() == 1


async def test_it_goes_on_from_a_response_and_branches_there(mira: Person, model: ScriptedModel) -> None:
    first = await answered(mira, "One?", instructions="Be brief.")
    second = await answered(mira, "Two?", previous_response_id=first.id)
    other = await answered(mira, "Three?", previous_response_id=first.id)
    assert (second.previous_response_id, other.previous_response_id) == (first.id, first.id)
    assert room_of(first) == room_of(second) == room_of(other)
    said = [("user", "One?"), ("assistant", "You said: One?")]
    asked = [turns for turns in model.asked if not turns[-1][1].endswith("The title:")]
    assert asked[1:] == [[*said, ("user", "Two?")], [*said, ("user", "Three?")]]
    # Instructions are those of one response.
    assert model.instructions.count("Be brief.") == 1


async def test_it_goes_on_with_a_conversation_from_its_head(mira: Person, model: ScriptedModel) -> None:
    room = await mira.new_room(instructions="Be kind.")
    await mira.hear(room, "One?")
    conversation = f"conv_{UUID(room).hex}"
    made = await answered(mira, "Two?", conversation=conversation, instructions="Be brief.")
    await answered(mira, "Three?", conversation={"id": conversation})
    assert [turns[-1][1] for turns in model.asked] == ["One?", "Two?", "Three?"]
    assert len(model.asked[2]) == 5
    assert model.instructions == ["Be kind.", "Be brief.\n\nBe kind.", "Be kind."]
    assert room_of(made) == room


async def test_instructing_messages_of_a_first_input_are_those_of_the_chatroom(
    mira: Person, model: ScriptedModel
) -> None:
    given = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "One?"}]
    first = await answered(mira, given, instructions="Be brief.")
    given = [{"role": "system", "content": "Be wise."}, {"role": "user", "content": "Two?"}]
    await answered(mira, given, previous_response_id=first.id)
    assert {"Be brief.\n\nBe kind.", "Be wise.\n\nBe kind."} <= set(model.instructions)
    assert (await mira.get(f"/chatroom/{room_of(first)}")).json()["instructions"] == "Be kind."


async def test_earlier_messages_of_the_input_are_stored_before_the_last_one(mira: Person, model: ScriptedModel) -> None:
    given = [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "Two?"},
    ]
    made = await answered(mira, given)
    messages = (await mira.get(f"/chatroom/{room_of(made)}/messages")).json()["items"]
    assert [each["content"] for each in messages] == ["One?", "One.", "Two?", "You said: Two?"]
    assert model.asked[0] == [("user", "One?"), ("assistant", "One."), ("user", "Two?")]
    assert (made.previous_response_id, await mira.used()) == (None, 1)
    more = await answered(mira, [{"role": "assistant", "content": "And?"}, *given[2:]], previous_response_id=made.id)
    assert (await retrieved(mira, more.id)).previous_response_id == made.id
    path = f"/v1/responses/{more.id}/input_items"
    items = (await mira.get(path, params={"order": "asc"})).json()["data"]
    assert [item["content"][0]["text"] for item in items] == [
        "One?", "One.", "Two?", "You said: Two?", "And?", "Two?"
    ]  # fmt: skip


async def test_every_reply_of_a_chatroom_is_a_response(mira: Person, model: ScriptedModel) -> None:
    reply = await mira.hear(await mira.new_room(), "Hello")
    found = await retrieved(mira, f"resp_{UUID(reply['id']).hex}")
    assert (found.output_text, found.status, found.metadata) == ("You said: Hello", "completed", {})


async def test_the_events_of_a_stream_can_be_read_again_from_any(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", Reasoning("Hm."), "Hi!")
    events = read_events(await ask(mira, stream=True))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    response_id = events[0].response.id
    assert await events_of(mira, response_id) == events
    for index, event in enumerate(events):
        assert await events_of(mira, response_id, starting_after=event.sequence_number) == events[index + 1 :]


async def test_a_response_in_the_background(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "Half ", gate, "an answer")
    made = await answered(mira, background=True)
    assert (made.status, made.background, made.output) == ("queued", True, [])
    await gate.reached()

    async def has_text() -> bool:
        return (await retrieved(mira, made.id)).output_text == "Half "

    await until(has_text)
    assert (await retrieved(mira, made.id)).status == "in_progress"
    gate.open()
    events = await events_of(mira, made.id)
    assert events[-1].response.output_text == "Half an answer"
    assert (await retrieved(mira, made.id)).status == "completed"


async def test_a_cancelled_response_keeps_its_text(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", "Half ", Gate())
    for background in (True, False):
        reading = asyncio.create_task(ask(mira, background=background, stream=True))
        response_id = await under_way(mira)
        cancelled = read(await mira.post(f"/v1/responses/{response_id}/cancel"))
        assert (cancelled.status, cancelled.output_text) == ("cancelled", "Half ")
        last = read_events(await reading)[-1]
        assert (last.type, last.response.status) == ("response.incomplete", "cancelled")
        assert read(await mira.post(f"/v1/responses/{response_id}/cancel")) == cancelled


async def test_an_ended_response_is_cancelled_by_nothing(mira: Person) -> None:
    made = await answered(mira)
    assert read(await mira.post(f"/v1/responses/{made.id}/cancel")) == made


async def test_a_deleted_response_is_unknown_and_its_chatroom_stays(mira: Person) -> None:
    made = await answered(mira, metadata={"topic": "greeting"})
    path = f"/v1/responses/{made.id}"
    assert (await mira.delete(path)).json() == {"id": made.id, "object": "response", "deleted": True}
    for gone in (
        await mira.get(path), await mira.delete(path), await mira.post(f"{path}/cancel"),
        await mira.get(f"{path}/input_items"),
    ):  # fmt: skip
        assert gone.status_code == 404
        refused_as_openai_does(gone, "response_not_found", "response_id")
    refused = await ask(mira, previous_response_id=made.id)
    assert refused.status_code == 404
    refused_as_openai_does(refused, "previous_response_not_found", "previous_response_id")
    assert len((await mira.get(f"/chatroom/{room_of(made)}/messages")).json()["items"]) == 2


async def test_what_is_unknown_or_anothers_is_not_found(site: Site, mira: Person) -> None:
    made = await answered(mira)
    ravi = await site.person(RAVI)
    user_message = (await mira.get(f"/chatroom/{room_of(made)}/messages")).json()["items"][0]["id"]
    for response_id in (made.id, "resp_1", f"resp_{UUID(int=1).hex}", f"resp_{UUID(user_message).hex}"):
        for person in (ravi, mira):
            if (person, response_id) != (mira, made.id):
                refused = await person.get(f"/v1/responses/{response_id}")
                assert refused.status_code == 404
                refused_as_openai_does(refused, "response_not_found", "response_id")
    for conversation in (f"conv_{UUID(room_of(made)).hex}", "conv_1"):
        refused = await ask(ravi, conversation=conversation)
        assert refused.status_code == 404
        refused_as_openai_does(refused, "conversation_not_found", "conversation")
    assert await ravi.used() == 0


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"previous_response_id": "resp_1", "conversation": "conv_1"}, "previous_response_id"),
    ({"input": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]}, "input"),
    ({"input": [{"role": "assistant", "content": "x" * 32_001}, {"role": "user", "content": "Hello"}]}, "input"),
    ({"input": "x" * 32_001}, "input"),
    ({"input": [{"role": "system", "content": "Be brief."}]}, "input"),
    ({"metadata": {"a": "x" * 513}}, "metadata[...]"),
    ({"metadata": {"a": "\0"}}, "metadata"),
    ({"store": False, "background": True}, "background"),
    ({"store": False, "conversation": "conv_1"}, "conversation"),
    ({"store": False, "previous_response_id": "resp_1"}, "previous_response_id"),
]


async def test_what_is_not_supported_is_named(site: Site, mira: Person, subtests: pytest.Subtests) -> None:
    before = await site.rows()
    for fields, param in WRONG:
        with subtests.test(fields=str(fields)[:60]):
            answer = await ask(mira, **({"given": fields.pop("input")} if "input" in fields else {}), **fields)
            assert answer.status_code == 400
            refused_as_openai_does(answer, "invalid_input", param)
    assert await site.rows() == before


async def test_a_wish_for_few_words_is_ignored(mira: Person) -> None:
    made = await answered(mira, text={"format": {"type": "text"}, "verbosity": "low"})
    assert made.output_text == "You said: Hello"


async def test_a_number_that_the_response_does_not_have(mira: Person, model: ScriptedModel) -> None:
    made = await answered(mira)
    gate = Gate()
    model.on("Wait", "Half ", gate, "an answer")
    running = await answered(mira, "Wait", background=True)
    await gate.reached()
    end = Position(1, 0, 5, PartKind.REASONING, Step.ENDED).number
    for response_id, number in ((made.id, 2**40), (running.id, 2**40), (running.id, end)):
        refused = await mira.get(f"/v1/responses/{response_id}", params={"stream": "true", "starting_after": number})
        assert refused.status_code == 400
        refused_as_openai_does(refused, "invalid_input", "starting_after")
    gate.open()


async def test_the_end_comes_also_to_who_had_more_text(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "Half ", gate, "an answer")
    made = await answered(mira, background=True)
    await gate.reached()
    number = Position(1, 0, 500, PartKind.TEXT, Step.DELTA).number
    reading = asyncio.create_task(events_of(mira, made.id, starting_after=number))
    gate.open()
    events = await reading
    closed, *_, last = events
    assert (closed.type, closed.output_index, closed.item.status) == ("response.output_item.done", 0, "incomplete")
    assert (last.type, last.response.output_text) == ("response.completed", "Half an answer")
    assert (await events_of(mira, made.id, starting_after=number))[-1] == last
    assert await events_of(mira, made.id, starting_after=last.sequence_number) == []


async def test_a_response_that_was_never_begun_has_a_last_number(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Wait", gate)
    first = await answered(mira, "Wait", background=True)
    await gate.reached()
    # Replies of a chatroom are written in order.
    second = await answered(mira, background=True, conversation=f"conv_{UUID(room_of(first)).hex}")
    assert read(await mira.post(f"/v1/responses/{second.id}/cancel")).status == "cancelled"
    events = await events_of(mira, second.id)
    for index, event in enumerate(events):
        assert await events_of(mira, second.id, starting_after=event.sequence_number) == events[index + 1 :]
    gate.open()


async def test_the_items_of_the_input_by_page(mira: Person, model: ScriptedModel) -> None:
    model.on("One?", Reasoning("Hm."), "You said: One?")
    first = await answered(mira, "One?")
    second = await answered(mira, "Two?", previous_response_id=first.id)
    path = f"/v1/responses/{second.id}/input_items"
    page = ResponseItemList.model_validate((await mira.get(path, params={"order": "asc"})).json())
    texts = [item.content[0].text for item in page.data]  # type: ignore[union-attr]
    assert (texts, page.has_more) == (["One?", "You said: One?", "Two?"], False)
    # Its reasoning is no input of the next model, but counts.
    assert page.data[1].id == first.output[1].id
    pages, after = [], {}
    for _ in range(3):
        answer = (await mira.get(path, params={"limit": 1} | after)).json()
        pages.append((answer["data"][0]["content"][0]["text"], answer["has_more"]))
        after = {"after": answer["last_id"]}
    assert pages == [("Two?", True), ("You said: One?", True), ("One?", False)]
    beyond = (await mira.get(path, params=after)).json()
    assert beyond == {"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False}


async def test_the_items_of_the_input_are_those_of_its_branch_in_both_orders(
    mira: Person, model: ScriptedModel
) -> None:
    model.on("Two?", Reasoning("Hm."), "Two.")
    first = await answered(mira, [{"role": "assistant", "content": "Well?"}, {"role": "user", "content": "One?"}])
    second = await answered(mira, "Two?", previous_response_id=first.id)
    third = await answered(mira, "Three?", previous_response_id=second.id)
    other = await answered(mira, "Four?", previous_response_id=first.id)
    path = f"/v1/responses/{third.id}/input_items"
    everything = ["Well?", "One?", "You said: One?", "Two?", "Two.", "Three?"]
    for order, expected in (("asc", everything), ("desc", everything[::-1])):
        for limit in (1, 2, 5, 6):
            found, query = [], {"order": order, "limit": limit}
            while True:
                page = (await mira.get(path, params=query)).json()
                found += [item["content"][0]["text"] for item in page["data"]]
                assert [page["first_id"], page["last_id"]] == [page["data"][0]["id"], page["data"][-1]["id"]]
                if not page["has_more"]:
                    break
                query["after"] = page["last_id"]
            assert found == expected
    (asked,) = (await mira.get(f"/v1/responses/{other.id}/input_items", params={"limit": 1})).json()["data"]
    assert asked["content"][0]["text"] == "Four?"
    unknown = [asked["id"], second.output[0].id, third.output[0].id, other.output[0].id, f"msg_{UUID(int=1).hex}"]
    for item_id in (*unknown, "msg_1"):
        for order in ("asc", "desc"):
            answer = await mira.get(path, params={"order": order, "after": item_id})
            assert answer.status_code == 400, (item_id, order)
            refused_as_openai_does(answer, "invalid_input", "after")


async def test_a_failed_response_returns_its_message(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", "Half an ", ModelRefused("content_blocked", "It was blocked."))
    events = read_events(await ask(mira, stream=True))
    assert (events[-1].type, events[-1].response.error.code) == ("response.failed", "invalid_prompt")
    refused = await ask(mira)
    refused_as_openai_does(refused, "content_filter", "input")
    # What failed is stored: the clients' own repetition would be another message.
    assert refused.headers["x-should-retry"] == "false"
    assert (await retrieved(mira, events[0].response.id)).status == "failed"
    assert await mira.used() == 0


async def test_a_refused_first_message_makes_no_chatroom(open_site: OpenSite) -> None:
    site = await open_site(BASIC_DAILY_LIMIT="1")
    mira = await site.person()
    made = await answered(mira)
    for fields in ({}, {"previous_response_id": made.id}):
        refused = await ask(mira, **fields)
        assert (refused.status_code, refused.headers["x-should-retry"]) == (429, "false")
    assert len((await mira.get("/chatroom")).json()["items"]) == 1


async def test_parallel_requests_use_no_more_than_the_quota(open_site: OpenSite) -> None:
    mira = await (await open_site(BASIC_DAILY_LIMIT="5")).person()
    answers = await asyncio.gather(*(ask(mira, background=True) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 7
    assert len((await mira.get("/chatroom")).json()["items"]) == 5


async def test_a_response_is_gone_with_its_chatroom(mira: Person) -> None:
    made = await answered(mira)
    await mira.delete(f"/chatroom/{room_of(made)}")
    assert (await mira.get(f"/v1/responses/{made.id}")).status_code == 404
    refused = await ask(mira, previous_response_id=made.id)
    refused_as_openai_does(refused, "previous_response_not_found", "previous_response_id")


async def test_a_caller_who_signs_out_gets_no_answer_and_it_is_written_all_the_same(
    mira: Person, model: ScriptedModel, site: Site
) -> None:
    gate = Gate()
    model.on("Hello", "Half ", gate, "an answer")
    waiting = asyncio.create_task(ask(mira))
    await gate.reached()
    response_id = await under_way(mira)
    again = await site.person()
    await mira.post("/auth/logout")
    assert (await waiting).status_code == 401
    gate.open()

    async def whole() -> bool:
        return (await retrieved(again, response_id)).output_text == "Half an answer"

    await until(whole)


async def test_prompts_are_no_responses(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", "Half ", gate, "an answer")
    waiting = asyncio.create_task(ask(mira, store=False))
    await gate.reached()
    reply = next(iter(model.asked))
    assert reply
    gate.open()
    made = read(await waiting)
    assert (made.store, made.conversation) == (False, None)
    assert (await mira.get(f"/v1/responses/{made.id}")).status_code == 404
