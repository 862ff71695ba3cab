"""OpenAI's own clients for Python and JavaScript against parley's conversations."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.clients.npm import installed, run_script
from tests.clients.test_openai import NPM, OPENING, documented, parley_with_model
from tests.e2e.process import PATIENCE

# From the beginning of a conversation to its deletion.
SCRIPT = """
const { conversations, responses } = client;
const said = (role, content) => ({ type: "message", role, content });
const { id } = await conversations.create({ items: [said("user", "One?")], metadata: { topic: "a test" } });
await conversations.items.create(id, { items: [said("assistant", "One."), said("user", "Two?")] });
const answer = await responses.create({ model, conversation: id, input: "Three?" });
const texts = [];
let last;
for await (const item of conversations.items.list(id, { limit: 2, order: "asc" })) {
  texts.push(item.content[0].text);
  last = item;
}
const one = await conversations.items.retrieve(last.id, { conversation_id: id });
const changed = await conversations.update(id, { metadata: { topic: "another" } });
const without = await conversations.items.delete(last.id, { conversation_id: id });
const [newest] = (await conversations.items.list(id, { limit: 1 })).data;
const retrieved = await conversations.retrieve(id);
const empty = await conversations.items.list((await conversations.create()).id);
const deleted = await conversations.delete(id);
const gone = await conversations.retrieve(id).catch((error) => [error.status, error.code]);
console.log(JSON.stringify({
  texts,
  same: last.id === answer.output[0].id && one.content[0].text === answer.output_text,
  topics: [changed.metadata.topic, retrieved.metadata.topic],
  ids: without.id === id && deleted.id === id && deleted.deleted,
  newest: newest.content[0].text,
  empty: [empty.data.length, empty.hasNextPage()],
  gone,
}));
"""


async def test_the_client_for_python_holds_a_conversation(tmp_path: Path) -> None:
    async with parley_with_model(tmp_path) as (parley, _, key):
        client = AsyncOpenAI(base_url=f"{parley.address}/v1", api_key=key)
        conversations, items = client.conversations, client.conversations.items
        begun = await conversations.create(items=[said("user", "One?")], metadata={"topic": "a test"})
        added = await items.create(begun.id, items=[said("assistant", "One."), said("user", "Two?")])
        response = await client.responses.create(
            model="openai/scripted", conversation=begun.id, input="[[thought]] Three?"
        )
        listed = [item async for item in items.list(begun.id, limit=2, order="asc")]
        one = await items.retrieve(listed[-1].id, conversation_id=begun.id)
        changed = await conversations.update(begun.id, metadata={"topic": "another"})
        with pytest.raises(openai.ConflictError) as kept:
            await items.delete(listed[0].id, conversation_id=begun.id)
        without = await items.delete(listed[-1].id, conversation_id=begun.id)
        newest = (await items.list(begun.id, limit=1)).data
        retrieved = await conversations.retrieve(begun.id)
        empty = await items.list((await conversations.create()).id)
        deleted = await conversations.delete(begun.id)
        with pytest.raises(openai.NotFoundError) as gone:
            await conversations.retrieve(begun.id)
        await client.close()

    texts = [item.content[0].text for item in listed if item.type == "message"]
    assert texts == ["One?", "One.", "Two?", "[[thought]] Three?", response.output_text]
    assert [item.type for item in listed] == ["message"] * 4 + ["reasoning", "message"]
    assert [item.id for item in listed[1:3]] == [item.id for item in added.data]
    assert [item.id for item in listed[4:]] == [item.id for item in response.output]
    assert one == listed[-1]
    assert (begun.metadata, changed.metadata, retrieved) == ({"topic": "a test"}, {"topic": "another"}, changed)
    assert (without.id, newest[0].id) == (begun.id, listed[3].id)
    assert (empty.data, empty.has_next_page()) == ([], False)
    assert (deleted.id, deleted.deleted) == (begun.id, True)
    assert (kept.value.code, gone.value.code) == ("not_the_last_message", "conversation_not_found")


def said(role: Any, content: str) -> Any:
    return {"type": "message", "role": role, "content": content}


async def test_the_client_for_javascript_holds_a_conversation(tmp_path: Path) -> None:
    async with parley_with_model(tmp_path) as (parley, _, key):
        (tmp_path / "js").mkdir()
        variables = {"PARLEY_URL": parley.address, "PARLEY_KEY": key}
        code, out, errors = await run_script(installed(NPM), tmp_path / "js", OPENING + SCRIPT, **variables)

    assert (code, errors) == (0, "")
    assert json.loads(out) == {
        "texts": ["One?", "One.", "Two?", "Three?", "Answer to: Two?\n\nThree?"],
        "same": True, "topics": ["another"] * 2, "ids": True, "newest": "Three?", "empty": [0, False],
        "gone": [404, "conversation_not_found"],
    }  # fmt: skip


async def test_the_documented_example_works(tmp_path: Path) -> None:
    example = documented("py", "conversation = ")
    async with parley_with_model(tmp_path) as (parley, _, key):
        script = f"import openai\nclient = openai.OpenAI(base_url={parley.address!r} + '/v1', api_key={key!r})\n"
        script += f"model = 'openai/scripted'\n{example}"
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=pipe, stderr=pipe)
        async with asyncio.timeout(PATIENCE):
            out, errors = await process.communicate()

    assert (process.returncode, errors.decode()) == (0, "")
    assert out.decode().splitlines() == [
        "user Where is it warm in May?",
        "assistant In Sicily.",
        "user And in June?",
        "assistant Answer to: And in June?",
        "user I have been to Sicily.",
    ]
