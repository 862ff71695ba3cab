"""OpenAI's own clients for Python and JavaScript against parley's responses."""

import asyncio
import json
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


async def test_the_client_for_python_reads_a_response_whole_and_streamed(tmp_path: Path) -> None:
    async with parley_with_model(tmp_path) as (parley, _, key):
        client = AsyncOpenAI(base_url=f"{parley.address}/v1", api_key=key)
        asked: Any = {"model": "openai/scripted", "input": "[[thought]] one two", "store": False}
        whole = await client.responses.create(**asked)
        events = [event async for event in await client.responses.create(**asked, stream=True)]
        with pytest.raises(openai.BadRequestError) as stored:
            await client.responses.create(model="openai/scripted", input="Hello")
        await client.close()

    assert whole.output_text == "Answer to: [[thought]] one two"
    assert [item.type for item in whole.output] == ["reasoning", "message"]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].type == "response.completed"
    assert (stored.value.param, stored.value.code) == ("store", "invalid_input")


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
    assert [event.sequence_number for event in events] == list(range(len(events)))
