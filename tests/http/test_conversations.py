"""OpenAI's conversations, which are chatrooms, read strictly with the types of OpenAI's client."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItemList, Message
from openai.types.responses import ResponseReasoningItem

from parley.core.chat.language_model import Reasoning
from tests.http.answers import refused_as_openai_does
from tests.http.conftest import OpenSite
from tests.http.scripted_model import Gate, ScriptedModel
from tests.http.site import Person
from tests.http.test_responses import MODEL

PATH = "/v1/conversations"


def said(*texts: str) -> list[dict[str, Any]]:
    """Items of the user and the assistant in turn."""
    roles = ("user", "assistant")
    return [{"type": "message", "role": roles[at % 2], "content": text} for at, text in enumerate(texts)]


def body_of(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def conversation(answer: httpx.Response) -> Conversation:
    return Conversation.model_validate(body_of(answer), strict=True)


def items(answer: httpx.Response) -> ConversationItemList:
    return ConversationItemList.model_validate(body_of(answer), strict=True)


async def begun(person: Person, *texts: str, **fields: Any) -> str:
    return conversation(await person.post(PATH, json={"items": said(*texts)} | fields)).id


async def listed(person: Person, id_: str, **query: Any) -> ConversationItemList:
    return items(await person.get(f"{PATH}/{id_}/items", params=query))


async def texts_of(person: Person, id_: str, **query: Any) -> list[str]:
    """Oldest first, unless the query says otherwise."""
    return [item.content[0].text for item in (await listed(person, id_, **(query or {"order": "asc"}))).data]


def room_of(id_: str) -> str:
    return f"/chatroom/{UUID(id_.removeprefix('conv_'))}"


async def test_a_conversation_is_a_chatroom(mira: Person) -> None:
    made = conversation(await mira.post(PATH, json={"items": said("One?", "One."), "metadata": {"topic": "numbers"}}))
    assert (made.object, made.metadata) == ("conversation", {"topic": "numbers"})
    room = (await mira.get(room_of(made.id))).json()
    assert (room["name"], room["title_source"], room["last_message"]) == ("One?", "auto", "One.")
    assert [(each["role"], each["content"], each["status"], each["model"]) for each in room["messages"]] == [
        ("user", "One?", "completed", None),
        ("assistant", "One.", "completed", None),
    ]
    assert [each["id"] for each in (await mira.get("/chatroom")).json()["items"]] == [room["id"]]
    assert conversation(await mira.get(f"{PATH}/{made.id}")) == made
    # No model was asked.
    assert await mira.used() == 0


@pytest.mark.parametrize("body", [{}, {"items": None, "metadata": None}, {"items": [], "metadata": {}}])
async def test_a_conversation_may_begin_empty(mira: Person, body: dict[str, Any]) -> None:
    made = conversation(await mira.post(PATH, json=body))
    assert made.metadata == {}
    empty = await listed(mira, made.id)
    assert (empty.data, empty.first_id, empty.last_id, empty.has_more) == ([], "", "", False)
    assert (await mira.get(room_of(made.id))).json()["name"] == "New chat"


async def test_every_chatroom_is_a_conversation(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", Reasoning("Hm."), "Hi!")
    room = await mira.new_room()
    heard = await mira.hear(room, "Hello")
    id_ = f"conv_{UUID(room).hex}"
    assert conversation(await mira.get(f"{PATH}/{id_}")).metadata == {}
    question, reasoning, answer = (await listed(mira, id_, order="asc")).data
    assert isinstance(question, Message)
    assert (question.role, question.status, question.content[0].type) == ("user", "completed", "input_text")
    assert isinstance(reasoning, ResponseReasoningItem)
    assert reasoning.content is not None
    assert reasoning.content[0].text == "Hm."
    assert isinstance(answer, Message)
    assert (answer.role, answer.content[0].type, answer.content[0].text) == ("assistant", "output_text", "Hi!")
    assert (reasoning.id, answer.id) == (f"rs_{UUID(heard['id']).hex}_0", f"msg_{UUID(heard['id']).hex}_1")


async def test_metadata_are_replaced_and_removed(mira: Person) -> None:
    id_ = await begun(mira, metadata={"topic": "numbers", "author": "Mira ✓"})
    for given, expected in (({"topic": "words"}, {"topic": "words"}), (None, {})):
        changed = conversation(await mira.post(f"{PATH}/{id_}", json={"metadata": given}))
        assert changed.metadata == expected
        assert conversation(await mira.get(f"{PATH}/{id_}")) == changed


async def test_a_deleted_conversation_is_gone_as_a_chatroom(mira: Person) -> None:
    id_ = await begun(mira, "One?")
    gone = ConversationDeletedResource.model_validate(body_of(await mira.delete(f"{PATH}/{id_}")), strict=True)
    assert (gone.id, gone.object, gone.deleted) == (id_, "conversation.deleted", True)
    assert (await mira.get(room_of(id_))).status_code == 404
    for answer in (await mira.get(f"{PATH}/{id_}"), await mira.delete(f"{PATH}/{id_}")):
        assert answer.status_code == 404
        refused_as_openai_does(answer, "conversation_not_found", "conversation")


async def test_items_are_added_at_the_end_and_read_by_the_model(mira: Person, model: ScriptedModel) -> None:
    id_ = await begun(mira, "One?", "One.")
    parts = [{"type": "input_text", "text": "Two?"}, {"type": "input_text", "text": "Or three?"}]
    given = [{"role": "user", "content": parts}, {"type": "reasoning", "id": "rs_1", "summary": []}]
    added = items(await mira.post(f"{PATH}/{id_}/items", json={"items": given}))
    assert [item.content[0].text for item in added.data] == ["Two?\n\nOr three?"]
    assert (added.first_id, added.last_id, added.has_more) == (added.data[0].id, added.data[-1].id, False)
    assert await texts_of(mira, id_) == ["One?", "One.", "Two?\n\nOr three?"]

    answer = await mira.post("/v1/responses", json={"model": MODEL, "input": "Four?", "conversation": id_})
    assert answer.status_code == 200, answer.text
    asked = next(turns for turns in model.asked if "Four?" in turns[-1][1])
    assert asked == [("user", "One?"), ("assistant", "One."), ("user", "Two?\n\nOr three?\n\nFour?")]
    ids = [item["id"] for item in answer.json()["output"]]
    assert [item.id for item in (await listed(mira, id_, order="asc")).data][-len(ids) :] == ids


async def test_items_follow_a_reply_that_is_being_written(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", gate, "Hi!")
    room = await mira.new_room()
    reply = (await mira.ask(room, "Hello"))["reply"]
    await gate.reached()
    id_ = f"conv_{UUID(room).hex}"
    body_of(await mira.post(f"{PATH}/{id_}/items", json={"items": said("One?", "One.")}))
    assert await texts_of(mira, id_) == ["Hello", "One?", "One."]
    gate.open()
    await mira.ended(reply)
    assert await texts_of(mira, id_) == ["Hello", "Hi!", "One?", "One."]


async def test_items_are_read_page_by_page_in_both_orders(mira: Person, model: ScriptedModel) -> None:
    model.on("Hello", Reasoning("Hm."), "Hi!")
    id_ = await begun(mira, *(str(number) for number in range(6)))
    await mira.hear(room_of(id_).removeprefix("/chatroom/"), "Hello")
    await mira.post(f"{PATH}/{id_}/items", json={"items": said("6", "7")})
    everything = [item.id for item in (await listed(mira, id_, order="asc", limit=100)).data]
    assert len(everything) == len(set(everything)) == 11
    assert [item.id for item in (await listed(mira, id_)).data] == everything[::-1]
    for order, expected in (("asc", everything), ("desc", everything[::-1])):
        for limit in (1, 2, 5, 11):
            found: list[str] = []
            page = await listed(mira, id_, order=order, limit=limit)
            while True:
                assert [page.first_id, page.last_id] == [page.data[0].id, page.data[-1].id]
                found += [item.id for item in page.data]
                if not page.has_more:
                    break
                page = await listed(mira, id_, order=order, limit=limit, after=page.last_id)
            assert found == expected
        assert (await listed(mira, id_, order=order, after=expected[-1])).data == []


async def test_items_are_those_of_the_branch_that_is_shown(mira: Person) -> None:
    id_ = await begun(mira, "One?", "One.", "Two?", "Two.")
    room = room_of(id_)
    messages = (await mira.get(room)).json()["messages"]
    edited = (await mira.post(f"{room}/messages/{messages[2]['id']}/edit", json={"content": "Three?"})).json()
    await mira.ended(edited["reply"])
    assert await texts_of(mira, id_) == ["One?", "One.", "Three?", "You said: Three?"]
    # A page keeps to the branch that it began with.
    assert await texts_of(mira, id_, after=f"msg_{UUID(messages[3]['id']).hex}_0", limit=2) == ["Two?", "One."]
    other = (await mira.get(f"{PATH}/{id_}/items/msg_{UUID(messages[2]['id']).hex}")).json()
    assert other["content"][0]["text"] == "Two?"


async def test_the_last_item_can_be_deleted_and_the_conversation_goes_on(mira: Person, model: ScriptedModel) -> None:
    id_ = await begun(mira, "One?", "One.", "Two?", "Two.")
    for expected in (["One?", "One.", "Two?"], ["One?", "One."]):
        last = (await listed(mira, id_)).data[0].id
        assert conversation(await mira.delete(f"{PATH}/{id_}/items/{last}")).id == id_
        assert await texts_of(mira, id_) == expected
        refused_as_openai_does(await mira.get(f"{PATH}/{id_}/items/{last}"), "item_not_found", "item_id")
    heard = await mira.hear(room_of(id_).removeprefix("/chatroom/"), "Three?")
    assert heard["content"] == "You said: Three?"
    assert next(turns for turns in model.asked if "Three?" in turns[-1][1]) == [
        ("user", "One?"),
        ("assistant", "One."),
        ("user", "Three?"),
    ]
    assert await texts_of(mira, id_) == ["One?", "One.", "Three?", "You said: Three?"]


async def test_what_others_depend_on_is_not_deleted(mira: Person, model: ScriptedModel) -> None:
    gate = Gate()
    model.on("Hello", gate)
    id_ = await begun(mira, "One?", "One.")
    first, second = [item.id for item in (await listed(mira, id_, order="asc")).data]
    room = room_of(id_)

    async def refused(item_id: str) -> None:
        answer = await mira.delete(f"{PATH}/{id_}/items/{item_id}")
        assert answer.status_code == 409
        refused_as_openai_does(answer, "not_the_last_message")
        assert answer.headers["x-should-retry"] == "false"

    await refused(first)
    # One of two answers.
    again = await mira.post(f"{room}/messages/{UUID(second[4:36])}/regenerate")
    reply = await mira.ended(again.json()["reply"])
    await refused(f"msg_{UUID(reply['id']).hex}_0")
    await refused(second)
    # One that is followed by a reply that is being written.
    asked = await mira.ask(room.removeprefix("/chatroom/"), "Hello")
    await gate.reached()
    await refused(f"msg_{UUID(asked['message']['id']).hex}")
    only = await begun(mira, "One?")
    [item] = (await listed(mira, only)).data
    answer = await mira.delete(f"{PATH}/{only}/items/{item.id}")
    assert answer.status_code == 409


async def test_a_shared_copy_ends_before_a_deleted_message(mira: Person) -> None:
    id_ = await begun(mira, "One?", "One.")
    shared = (await mira.post(f"{room_of(id_)}/share")).json()["url"]
    [last, _] = (await listed(mira, id_)).data
    body_of(await mira.delete(f"{PATH}/{id_}/items/{last.id}"))
    copy = await mira.get(httpx.URL(shared).path, headers={"Accept": "application/json"})
    assert [each["content"] for each in copy.json()["items"]] == ["One?"]


WRONG_ITEMS = {
    "items[1].type": {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "1"},
    "items[1].role": {"role": "system", "content": "Be brief."},
    "items[1].content": {"role": "user", "content": " "},
    "items[1].content[0].type": {"role": "user", "content": [{"type": "input_image", "image_url": "x"}]},
}


@pytest.mark.parametrize("param", WRONG_ITEMS)
async def test_a_wrong_item_is_named_and_nothing_is_stored(mira: Person, param: str) -> None:
    id_ = await begun(mira)
    given = {"items": [*said("One?"), WRONG_ITEMS[param]]}
    for answer in (await mira.post(PATH, json=given), await mira.post(f"{PATH}/{id_}/items", json=given)):
        assert answer.status_code == 400
        refused_as_openai_does(answer, "invalid_input", param)
    assert await texts_of(mira, id_) == []
    assert len((await mira.get("/chatroom")).json()["items"]) == 1


async def test_limits_are_those_of_openai_and_of_chatrooms(mira: Person) -> None:
    id_ = await begun(mira)
    too_long = "x" * 32_001
    for path, body, param in (
        (f"{PATH}/{id_}/items", {"items": said(*"x" * 21)}, "items"),
        (f"{PATH}/{id_}/items", {"items": []}, "items"),
        (f"{PATH}/{id_}/items", {"items": [{"type": "reasoning"}]}, "items"),
        (f"{PATH}/{id_}/items", {"items": said(too_long)}, "items[0].content"),
        (PATH, {"items": said(*"x" * 21)}, "items"),
        (PATH, {"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        (PATH, {"metadata": {"x" * 65: ""}}, "metadata"),
        (PATH, {"metadata": {"x": "x" * 513}}, "metadata["),
        (f"{PATH}/{id_}", {"metadata": {"x": "x" * 513}}, "metadata["),
        (f"{PATH}/{id_}", {}, "metadata"),
    ):
        answer = await mira.post(path, json=body)
        assert answer.status_code == 400, (path, body, answer.text)
        assert answer.json()["error"]["param"].startswith(param), answer.text
    assert len((await mira.post(f"{PATH}/{id_}/items", json={"items": said(*"x" * 20)})).json()["data"]) == 20


async def test_the_number_of_chatrooms_is_limited(open_site: OpenSite) -> None:
    site = await open_site(MAX_CHATROOMS="1")
    mira = await site.person()
    await begun(mira)
    answer = await mira.post(PATH, json={"items": said("One?")})
    assert answer.status_code == 409
    refused_as_openai_does(answer, "too_many_chatrooms")


@pytest.mark.parametrize("id_", ["conv_1", "1", "resp_" + "0" * 32, "conv_" + "0" * 32])
async def test_an_unknown_conversation_is_not_found(mira: Person, id_: str) -> None:
    for answer in (
        await mira.get(f"{PATH}/{id_}"),
        await mira.get(f"{PATH}/{id_}/items"),
        await mira.post(f"{PATH}/{id_}/items", json={"items": said("One?")}),
    ):
        assert answer.status_code == 404
        refused_as_openai_does(answer, "conversation_not_found", "conversation")


async def test_an_unknown_item_is_not_found(mira: Person) -> None:
    id_ = await begun(mira, "One?", "One.")
    answered, asked = [item.id for item in (await listed(mira, id_)).data]
    for item_id in ("msg_1", f"msg_{uuid4().hex}", f"{asked}_0", f"{answered[:-1]}1", answered.replace("msg", "rs")):
        for answer in (
            await mira.get(f"{PATH}/{id_}/items/{item_id}"),
            await mira.delete(f"{PATH}/{id_}/items/{item_id}"),
        ):
            assert answer.status_code == 404, item_id
            refused_as_openai_does(answer, "item_not_found", "item_id")
        answer = await mira.get(f"{PATH}/{id_}/items", params={"after": item_id})
        assert answer.status_code == 400, item_id
        refused_as_openai_does(answer, "invalid_input", "after")
