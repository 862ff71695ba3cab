"""OpenAI's own clients for Python and JavaScript against parley's chat completions."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import AsyncOpenAI

from tests.clients.npm import installed, run_script, start_script
from tests.clients.pypi import run_pasted
from tests.e2e.process import PATIENCE, Served, model_server, served, sign_in
from tests.faults.cluster import cluster as running_cluster

PAGE = Path(__file__).parents[2] / "docs" / "openai.md"
NPM = "openai@7.59.0"
HELLO: list[Any] = [{"role": "user", "content": "Hello"}]
LONG: list[Any] = [{"role": "user", "content": "[[words 400]]"}]
# The client's script begins with it: the client, and the model.
OPENING = """
import OpenAI from "openai";
const client = new OpenAI({ baseURL: `${process.env.PARLEY_URL}/v1`, apiKey: process.env.PARLEY_KEY });
const model = (await client.models.list()).data[0].id;
const ask = (content, more) =>
  client.chat.completions.create({ model, messages: [{ role: "user", content }], ...more });
"""


def documented(language: str, beginning: str = "") -> str:
    """The only block of the page in that language that begins so."""
    [block] = re.findall(rf"```{language}\n({beginning}.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


async def new_key(person: httpx.AsyncClient) -> str:
    made = await person.post("/user/keys", json={"name": "A program"})
    return str(made.json()["key"])


async def run_documented(language: str, folder: Path, url: str, key: str) -> tuple[int, str, str]:
    """The example as it was pasted into an empty project."""
    variables = {"PARLEY_URL": url, "PARLEY_KEY": key}
    if language == "js":
        folder.mkdir()
        return await run_script(installed(NPM), folder, documented("js"), **variables)
    return await run_pasted(Path(sys.executable).parent, folder, "python", documented("python"), **variables)


@asynccontextmanager
async def parley_with_model(folder: Path, **settings: str) -> AsyncIterator[tuple[Served, str, str]]:
    """A server, the address of its model, and a key of an account."""
    async with model_server("--delay", "0.01") as model:
        settings = {"OPENAI_BASE_URL": f"{model}/v1", "OPENAI_MODELS": "scripted"} | settings
        async with served(folder, **settings) as parley:
            person = await sign_in(parley.address)
            yield parley, model, await new_key(person)
            await person.aclose()


@pytest.mark.parametrize("language", ["python", "js"])
async def test_the_documented_example_answers_and_then_meets_the_end_of_the_day(tmp_path: Path, language: str) -> None:
    async with served(tmp_path, BASIC_DAILY_LIMIT="3", OFFLINE_DELAY_SECONDS="0") as parley:
        person = await sign_in(parley.address)
        key = await new_key(person)
        first = await run_documented(language, tmp_path / "first", parley.address, key)
        second = await run_documented(language, tmp_path / "second", parley.address, key)
        used = (await person.get("/user/usage")).json()["used"]
        rooms = (await person.get("/chatroom")).json()["items"]
        await person.aclose()

    assert first == (0, "You said: Where is it warm in May?\nYou said: And in June?\n8 tokens\n", "")
    code, out, errors = second
    assert (code, out) == (1, "You said: Where is it warm in May?\n")
    assert re.fullmatch(r"insufficient_quota: \d+ s until the next day\n", errors)
    assert (used, rooms) == (3, [])
    # The client has not tried again.
    assert parley.log().count("/v1/chat/completions") == 4


async def test_the_documented_responses_follow_the_documented_client(tmp_path: Path) -> None:
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0") as parley:
        person = await sign_in(parley.address)
        variables = {"PARLEY_URL": parley.address, "PARLEY_KEY": await new_key(person)}
        pasted = documented("python") + documented("py", "first = ")
        code, out, errors = await run_pasted(
            Path(sys.executable).parent, tmp_path / "py", "python", pasted, **variables
        )
        await person.aclose()
    assert (code, errors) == (0, "")
    _, responses = out.split("8 tokens\n")
    assert re.fullmatch(
        r"You said: Where is it warm in May\? conv_[0-9a-f]{32}\n"
        r"You said: And in June\?You said: Tell me all about it\.completed\n",
        responses,
    )


async def test_python_client_reads_reasoning_counts_and_options(tmp_path: Path) -> None:
    async with parley_with_model(tmp_path) as (parley, model, key):
        client = AsyncOpenAI(base_url=f"{parley.address}/v1", api_key=key)
        listed = [each.id async for each in await client.models.list()]
        assert (await client.models.retrieve("openai/scripted")).id == listed[0] == "openai/scripted"
        asked: list[Any] = [{"role": "user", "content": "[[thought]] one two"}]
        stream = await client.chat.completions.create(
            model=listed[0],
            messages=asked,
            stream=True,
            stream_options={"include_usage": True},
            temperature=0.5,
            max_tokens=50,
            stop=["END"],
            seed=3,
            user="mira",
        )
        text, thought, usage = "", "", None
        async for chunk in stream:
            usage = chunk.usage or usage
            for choice in chunk.choices:
                text += choice.delta.content or ""
                thought += getattr(choice.delta, "reasoning_content", None) or ""
        async with httpx.AsyncClient() as http:
            sent = (await http.get(f"{model}/_requests")).json()["requests"][-1]["body"]
        with pytest.raises(openai.BadRequestError) as refused:
            await client.chat.completions.create(model=listed[0], messages=HELLO, n=2)
        with pytest.raises(openai.NotFoundError) as unknown:
            await client.chat.completions.create(model="gpt-4o", messages=HELLO)
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="pk-none").models.list()
        await client.close()

    assert (text, thought) == ("Answer to: [[thought]] one two", "Hm.")
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert {name: sent[name] for name in ("temperature", "max_tokens", "stop", "seed")} == {
        "temperature": 0.5, "max_tokens": 50, "stop": ["END"], "seed": 3
    }  # fmt: skip
    assert (refused.value.param, refused.value.code) == ("n", "invalid_input")
    assert (unknown.value.param, unknown.value.code) == ("model", "model_not_found")


async def test_thirty_parallel_completions_on_a_limit_of_five_are_exactly_five(tmp_path: Path) -> None:
    async with parley_with_model(tmp_path, BASIC_DAILY_LIMIT="5", MAX_PENDING_REPLIES="100") as (parley, _, key):
        client = AsyncOpenAI(base_url=f"{parley.address}/v1", api_key=key)
        outcomes = await asyncio.gather(
            *(client.chat.completions.create(model="openai/scripted", messages=HELLO) for _ in range(30)),
            return_exceptions=True,
        )
        await client.close()

    refusals = [outcome for outcome in outcomes if isinstance(outcome, openai.RateLimitError)]
    assert (len(refusals), len(outcomes) - len(refusals)) == (25, 5)
    assert {refusal.code for refusal in refusals} == {"insufficient_quota"}
    assert not [outcome for outcome in outcomes if isinstance(outcome, BaseException) and outcome not in refusals]


ABORTED = """
const stream = await ask("[[words 5000]]", { stream: true });
for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break;
console.log(stream.controller.signal.aborted);
"""


@pytest.mark.parametrize("language", ["python", "js"])
async def test_a_client_that_stops_reading_stops_the_model(tmp_path: Path, language: str) -> None:
    async with parley_with_model(tmp_path) as (parley, model, key):
        if language == "js":
            variables = {"PARLEY_URL": parley.address, "PARLEY_KEY": key}
            (tmp_path / "js").mkdir()
            ended = await run_script(installed(NPM), tmp_path / "js", OPENING + ABORTED, **variables)
            assert ended == (0, "true\n", "")
        else:
            client = AsyncOpenAI(base_url=f"{parley.address}/v1", api_key=key)
            asked: list[Any] = [{"role": "user", "content": "[[words 5000]]"}]
            stream = await client.chat.completions.create(model="openai/scripted", messages=asked, stream=True)
            async with stream:
                await anext(aiter(stream))
            await client.close()

        async def left() -> bool:
            async with httpx.AsyncClient() as http:
                return bool((await http.get(f"{model}/_requests")).json()["disconnects"])

        async with asyncio.timeout(PATIENCE):
            while not await left():
                await asyncio.sleep(0.05)


BROKEN = """
try {
  for await (const chunk of await ask("[[words 400]]", { stream: true })) {
    if (chunk.choices[0]?.delta.content) console.log("text");
  }
} catch (error) {
  console.log(error instanceof OpenAI.APIError, error.code);
}
"""


async def test_the_death_of_the_worker_in_mid_stream_is_an_error_of_both_clients(tmp_path: Path) -> None:
    async with running_cluster(tmp_path) as parley:
        url = parley.apis[0].address
        person = await sign_in(url)
        key = await new_key(person)
        client = AsyncOpenAI(base_url=f"{url}/v1", api_key=key)
        model = (await client.models.list()).data[0].id
        stream = await client.chat.completions.create(model=model, messages=LONG, stream=True)
        (tmp_path / "js").mkdir()
        variables = {"PARLEY_URL": url, "PARLEY_KEY": key}
        script = await start_script(installed(NPM), tmp_path / "js", OPENING + BROKEN, **variables)
        assert script.stdout is not None
        # Both have some text.
        await anext(aiter(stream))
        assert await script.stdout.readline() == b"text\n"
        for worker in parley.workers:
            await worker.kill()
        for worker in parley.workers:
            await worker.start()
        with pytest.raises(openai.APIError) as broken:
            async for _ in stream:
                pass
        async with asyncio.timeout(PATIENCE):
            out, errors = await script.communicate()
        again = await client.chat.completions.create(model=model, messages=HELLO)
        await client.close()
        await person.aclose()

    assert broken.value.code == "interrupted"
    assert (script.returncode, errors) == (0, b"")
    # Its first line has been read.
    assert (b"text\n" + out).endswith(b"text\ntrue interrupted\n")
    assert again.choices[0].message.content == "Answer to: Hello"
