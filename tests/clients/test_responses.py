"""OpenAI's own clients for Python and JavaScript against parley's responses."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from tests.clients.npm import installed, run_script
from tests.clients.test_openai import NPM, OPENING, new_key, parley_with_model
from tests.e2e.process import PATIENCE, served, sign_in
from tests.faults.cluster import cluster as running_cluster

# Streams two answers, of which the second one is refused.
SCRIPT = """
const types = [];
let text = "";
const asked = { model, input: [{ role: "user", content: "Hello" }], instructions: "Be brief.", store: false };
for await (const event of await client.responses.create({ ...asked, stream: true })) {
  types.push(event.type);
  if (event.type === "response.output_text.delta") text += event.delta;
}
try {
  await client.responses.create(asked);
} catch (error) {
  console.log(JSON.stringify({ text, first: types[0], last: types.at(-1), code: error.code, status: error.status }));
}
"""


# Everything that a stored response has, from its first stream to its deletion.
STORED = """
const { responses } = client;
const first = await responses.create({ model, input: "One?" });
const second = await responses.create({ model, input: "Two?", previous_response_id: first.id });
const retrieved = await responses.retrieve(second.id);
const items = [];
for await (const item of responses.inputItems.list(second.id, { limit: 1, order: "asc" }))
  items.push(item.content[0].text);
let text = "";
let seen;
let id;
for await (const event of await responses.create({ model, input: "[[words 100]]", background: true, stream: true })) {
  seen = event.sequence_number;
  if (event.type === "response.created") id = event.response.id;
  if (event.type === "response.output_text.delta") { text += event.delta; break; }
}
let last;
for await (const event of await responses.retrieve(id, { stream: true, starting_after: seen })) {
  if (event.type === "response.output_text.delta") text += event.delta;
  last = event;
}
const helped = await responses.stream({ model, input: "Three?" }).finalResponse();
const running = await responses.create({ model, input: "[[words 5000]]", background: true });
const cancelled = [await responses.cancel(running.id), await responses.cancel(running.id)];
await responses.delete(second.id);
const deleted = await responses.retrieve(second.id).catch((error) => [error.status, error.code]);
console.log(JSON.stringify({
  again: JSON.stringify(retrieved.output) === JSON.stringify(second.output),
  items,
  whole: last.type === "response.completed" && last.response.output[0].content[0].text === text,
  helped: helped.output_text,
  statuses: [running.status, ...cancelled.map((each) => each.status)],
  deleted,
}));
"""


async def test_the_client_for_python_reads_a_response_whole_and_streamed(tmp_path: Path) -> None:
    async with parley_with_model(tmp_path) as (parley, _, key):
        client = AsyncOpenAI(base_url=f"{parley.address}/v1", api_key=key)
        asked: Any = {"model": "openai/scripted", "input": "[[thought]] one two", "store": False}
        whole = await client.responses.create(**asked)
        events = [event async for event in await client.responses.create(**asked, stream=True)]
        with pytest.raises(openai.BadRequestError) as unstored:
            await client.responses.create(**asked, background=True)
        await client.close()

    assert whole.output_text == "Answer to: [[thought]] one two"
    assert [item.type for item in whole.output] == ["reasoning", "message"]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert all(earlier.sequence_number < later.sequence_number for earlier, later in pairwise(events))
    assert events[-1].type == "response.completed"
    assert (unstored.value.param, unstored.value.code) == ("background", "invalid_input")


async def test_the_client_for_python_reads_stored_responses_again(tmp_path: Path) -> None:
    async with parley_with_model(tmp_path) as (parley, _, key):
        client = AsyncOpenAI(base_url=f"{parley.address}/v1", api_key=key)
        asked: Any = {"model": "openai/scripted", "metadata": {"topic": "a test"}}
        first = await client.responses.create(**asked, input="[[thought]] One?")
        second = await client.responses.create(**asked, input="Two?", previous_response_id=first.id)
        again = await client.responses.retrieve(second.id)
        items = [item async for item in client.responses.input_items.list(second.id, limit=1, order="asc")]
        events: list[Any] = []
        background = {"input": "[[words 100]]", "previous_response_id": first.id, "background": True}
        async with await client.responses.create(**asked, **background, stream=True) as stream:
            async for event in stream:
                events.append(event)
                if event.type == "response.output_text.delta":
                    break
        response_id, seen = events[0].response.id, events[-1].sequence_number
        rest = await client.responses.retrieve(response_id, stream=True, starting_after=seen)
        events += [event async for event in rest]
        async with client.responses.stream(**asked, input="Three?") as helper:
            final = await helper.get_final_response()
        running = await client.responses.create(**asked, input="[[words 5000]]", background=True)
        cancelled = await client.responses.cancel(running.id)
        repeated = await client.responses.cancel(running.id)
        await client.responses.delete(second.id)
        with pytest.raises(openai.NotFoundError) as deleted:
            await client.responses.retrieve(second.id)
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.responses.create(**asked, input="Four?", previous_response_id=second.id)
        await client.close()

    assert again == second
    assert (again.metadata, again.previous_response_id) == ({"topic": "a test"}, first.id)
    assert [item.content[0].text for item in items] == ["[[thought]] One?", first.output_text, "Two?"]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert events[-1].response.output_text == "".join(deltas)
    assert [event.type for event in events[:2]] == ["response.created", "response.queued"]
    assert final.output_text == "Answer to: Three?"
    assert (running.status, cancelled.status, repeated) == ("queued", "cancelled", cancelled)
    assert (deleted.value.code, unknown.value.code) == ("response_not_found", "previous_response_not_found")


async def test_the_client_for_javascript_reads_stored_responses_again(tmp_path: Path) -> None:
    async with parley_with_model(tmp_path) as (parley, _, key):
        (tmp_path / "js").mkdir()
        variables = {"PARLEY_URL": parley.address, "PARLEY_KEY": key}
        code, out, errors = await run_script(installed(NPM), tmp_path / "js", OPENING + STORED, **variables)

    assert (code, errors) == (0, "")
    assert json.loads(out) == {
        "again": True, "items": ["One?", "Answer to: One?", "Two?"], "whole": True, "helped": "Answer to: Three?",
        "statuses": ["queued", "cancelled", "cancelled"], "deleted": [404, "response_not_found"],
    }  # fmt: skip


async def test_the_client_for_javascript_streams_and_meets_the_end_of_the_day(tmp_path: Path) -> None:
    async with served(tmp_path, BASIC_DAILY_LIMIT="1", OFFLINE_DELAY_SECONDS="0") as parley:
        person = await sign_in(parley.address)
        key = await new_key(person)
        await person.aclose()
        (tmp_path / "js").mkdir()
        variables = {"PARLEY_URL": parley.address, "PARLEY_KEY": key}
        code, out, errors = await run_script(installed(NPM), tmp_path / "js", OPENING + SCRIPT, **variables)
        requests = parley.log().count("/v1/responses")

    assert (code, errors) == (0, "")
    assert json.loads(out) == {
        "text": "You said: Hello", "first": "response.created", "last": "response.completed",
        "code": "insufficient_quota", "status": 429,
    }  # fmt: skip
    # The client has not tried again.
    assert requests == 2


async def test_a_client_that_stops_reading_a_response_stops_the_model(tmp_path: Path) -> None:
    async with parley_with_model(tmp_path) as (parley, model, key):
        client = AsyncOpenAI(base_url=f"{parley.address}/v1", api_key=key)
        stream = await client.responses.create(
            model="openai/scripted", input="[[words 5000]]", store=False, stream=True
        )
        async with stream:
            await anext(aiter(stream))
        await client.close()

        async def left() -> bool:
            async with httpx.AsyncClient() as http:
                return bool((await http.get(f"{model}/_requests")).json()["disconnects"])

        async with asyncio.timeout(PATIENCE):
            while not await left():
                await asyncio.sleep(0.05)


async def test_after_the_death_of_the_worker_another_item_has_the_answer(tmp_path: Path) -> None:
    async with running_cluster(tmp_path) as parley:
        url = parley.apis[0].address
        person = await sign_in(url)
        client = AsyncOpenAI(base_url=f"{url}/v1", api_key=await new_key(person))
        model = (await client.models.list()).data[0].id
        events: list[Any] = []
        killed = False
        async for event in await client.responses.create(model=model, input="[[words 400]]", store=False, stream=True):
            events.append(event)
            if sum(each.type == "response.output_text.delta" for each in events) == 1 and not killed:
                killed = True
                for worker in parley.workers:
                    await worker.kill()
                    await worker.start()
        await client.close()
        await person.aclose()

    closed = [event.item for event in events if event.type == "response.output_item.done"]
    last = events[-1]
    texts = [event.delta for event in events if event.type == "response.output_text.delta" and event.output_index == 1]
    assert [item.status for item in closed] == ["incomplete", "completed"]
    assert last.type == "response.completed"
    assert last.response.output_text == "".join(texts)
    assert all(earlier.sequence_number < later.sequence_number for earlier, later in pairwise(events))


async def test_a_stored_response_goes_on_at_another_process_after_the_death_of_its_worker(tmp_path: Path) -> None:
    async with running_cluster(tmp_path) as parley:
        url, other_url = (api.address for api in parley.apis[:2])
        person = await sign_in(url)
        key = await new_key(person)
        client, other = (AsyncOpenAI(base_url=f"{each}/v1", api_key=key) for each in (url, other_url))
        model = (await client.models.list()).data[0].id
        events: list[Any] = []
        async with await client.responses.create(model=model, input="[[words 400]]", stream=True) as stream:
            async for event in stream:
                events.append(event)
                if event.type == "response.output_text.delta":
                    break
        for worker in parley.workers:
            await worker.kill()
            await worker.start()
        response_id, seen = events[0].response.id, events[-1].sequence_number
        rest = await other.responses.retrieve(response_id, stream=True, starting_after=seen)
        events += [event async for event in rest]
        await client.close()
        await other.close()
        await person.aclose()

    closed = [event.item.status for event in events if event.type == "response.output_item.done"]
    texts = [event.delta for event in events if event.type == "response.output_text.delta" and event.output_index == 1]
    assert closed == ["incomplete", "completed"]
    assert events[-1].response.output_text == "".join(texts)
    assert all(earlier.sequence_number < later.sequence_number for earlier, later in pairwise(events))
