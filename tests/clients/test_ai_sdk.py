"""npm's AI SDK against parley: its transport, and useChat under jsdom."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.clients.npm import installed, run_script, start_script
from tests.e2e.process import PATIENCE, model_server, served, sign_in
from tests.faults.cluster import cluster as running_cluster

PAGE = Path(__file__).parents[2] / "docs" / "ai-sdk.md"
REACT = ("react@19.3.1", "react-dom@19.3.1", "jsdom@29.1.1", "esbuild@0.28.0")
# By the major version of `ai`.
VERSIONS = {
    7: ("ai@7.0.173", "@ai-sdk/react@4.0.177", *REACT),
    6: ("ai@6.0.326", "@ai-sdk/react@3.0.328", *REACT),
}
OPENING = """
import { DefaultChatTransport, readUIMessageStream } from "ai";
const api = `${process.env.PARLEY_URL}/api/chat`;
const headers = { Authorization: `Bearer ${process.env.PARLEY_KEY}` };
const transport = new DefaultChatTransport({ api, headers });
const said = (id, text) => ({ id, role: "user", parts: [{ type: "text", text }] });
const read = async (stream) => {
  let last;
  for await (const message of readUIMessageStream({ stream })) last = message;
  return last;
};
const text = (message) => message.parts.map((part) => part.text ?? "").join("");
const send = (messages, more) =>
  transport.sendMessages({ chatId: "c1", messages, trigger: "submit-message", ...more });
const print = (value) => console.log(JSON.stringify(value));
"""


async def printed(folder: Path, script: str, url: str, key: str, version: int = 7, **variables: str) -> list[Any]:
    """The values that the script printed, one a line."""
    folder.mkdir(exist_ok=True)
    variables |= {"PARLEY_URL": url, "PARLEY_KEY": key}
    code, out, errors = await run_script(installed(*VERSIONS[version]), folder, OPENING + script, **variables)
    assert (code, errors) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


async def key_of(person: Any) -> str:
    return str((await person.post("/user/keys", json={"name": "A front end"})).json()["key"])


async def test_transport_sends_repeats_regenerates_edits_and_meets_the_end_of_the_day(tmp_path: Path) -> None:
    script = """
    const first = await read(await send([said("m1", "Hello")]));
    const again = await read(await send([said("m1", "Hello")]));
    const more = await read(await send([said("m1", "Hello"), first, said("m2", "More")]));
    const other = await read(await send([said("m1", "Hello")], { trigger: "regenerate-message", messageId: first.id }));
    const edited = await read(await send([said("m1", "Bonjour")], { messageId: "m1" }));
    print([text(first), again.id === first.id, text(more), other.id !== first.id, text(other), text(edited)]);
    print([await transport.reconnectToStream({ chatId: "c1" }), await transport.reconnectToStream({ chatId: "none" })]);
    try {
      await send([said("m3", "Too much")]);
    } catch (error) {
      print(error.message);
    }
    """
    async with served(tmp_path, BASIC_DAILY_LIMIT="4", OFFLINE_DELAY_SECONDS="0") as parley:
        person = await sign_in(parley.address)
        answers, resumed, refusal = await printed(tmp_path / "npm", script, parley.address, await key_of(person))
        [room] = (await person.get("/chatroom")).json()["items"]
        await person.aclose()
    assert answers == ["You said: Hello", True, "You said: More", True, "You said: Hello", "You said: Bonjour"]
    assert resumed == [None, None]
    assert refusal.startswith("The 4 messages")
    assert (room["external_id"], room["name"]) == ("c1", "Hello")


async def test_a_cut_stream_is_resumed_from_its_start_and_can_be_stopped(tmp_path: Path) -> None:
    script = """
    const cut = new AbortController();
    const reader = (await send([said("m1", "[[words 300]]")], { abortSignal: cut.signal })).getReader();
    for (let chunks = 0; chunks < 9; chunks++) await reader.read();
    cut.abort();
    const reading = read(await transport.reconnectToStream({ chatId: "c1" }));
    const stopped = await fetch(`${api}/c1/stop`, { method: "POST", headers });
    const resumed = await reading;
    const last = await read(await send([said("m1", "[[words 300]]")]));
    print([stopped.status, text(resumed).length > 0, text(resumed) === text(last), resumed.id === last.id]);
    """
    async with model_server("--delay", "0.02") as model:
        settings = {"OPENAI_BASE_URL": f"{model}/v1", "OPENAI_MODELS": "scripted"}
        async with served(tmp_path, **settings) as parley:
            person = await sign_in(parley.address)
            [answer] = await printed(tmp_path / "npm", script, parley.address, await key_of(person))
            await person.aclose()
    assert answer == [204, True, True, True]


async def test_the_last_message_is_enough(tmp_path: Path) -> None:
    [option] = re.findall(r"```js\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    script = """
    transport.prepareSendMessagesRequest = lastMessageOnly;
    const first = await read(await send([said("m1", "Hello")]));
    const more = await read(await send([said("m1", "Hello"), first, said("m2", "More")]));
    const other = await read(await send([said("m1", "Hello")], { trigger: "regenerate-message", messageId: first.id }));
    print([text(first), text(more), text(other), other.id !== first.id]);
    """
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0") as parley:
        person = await sign_in(parley.address)
        [answers] = await printed(tmp_path / "npm", option + script, parley.address, await key_of(person))
        await person.aclose()
    assert answers == ["You said: Hello", "You said: More", "You said: Hello", True]


RESERVED = ["a/b", "a?b#c", "50% of it", "%2F", "ü/✓"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_chat_ids_of_any_characters_are_resumed_and_stopped(tmp_path: Path, version: int) -> None:
    script = """
    for (const chatId of JSON.parse(process.env.CHATS)) {
      const cut = new AbortController();
      const reader = (await send([said("m1", "[[words 300]]")], { chatId, abortSignal: cut.signal })).getReader();
      for (let chunks = 0; chunks < 5; chunks++) await reader.read();
      cut.abort();
      const reading = read(await transport.reconnectToStream({ chatId }));
      const stopped = await fetch(`${api}/${encodeURIComponent(chatId)}/stop`, { method: "POST", headers });
      print([chatId, stopped.status, text(await reading).startsWith("word0 ")]);
    }
    """
    async with model_server("--delay", "0.02") as model:
        settings = {"OPENAI_BASE_URL": f"{model}/v1", "OPENAI_MODELS": "scripted"}
        async with served(tmp_path, **settings) as parley:
            person = await sign_in(parley.address)
            key = await key_of(person)
            answers = await printed(tmp_path / "npm", script, parley.address, key, version, CHATS=json.dumps(RESERVED))
            await person.aclose()
    assert answers == [[chat, 204, True] for chat in RESERVED]


# Shows the documented component. Broken connections are the error that they are in Chromium.
RENDER = """
import { writeFileSync, readFileSync } from "node:fs";
import { transformSync } from "esbuild";
import { JSDOM } from "jsdom";
const dom = new JSDOM('<div id="root"></div>', { url: process.env.PARLEY_URL });
globalThis.window = dom.window;
for (const name of ["document", "HTMLElement", "Event", "FormData"]) globalThis[name] = dom.window[name];
const ofNode = globalThis.fetch;
const connections = { broken: 0 };
globalThis.fetch = async (...request) => {
  const response = await ofNode(...request);
  if (!response.body) return response;
  const reader = response.body.getReader();
  const pull = async (controller) => {
    try {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    } catch {
      connections.broken++;
      controller.error(new TypeError("network error"));
    }
  };
  return new Response(new ReadableStream({ pull, cancel: () => reader.cancel() }), response);
};
const source = readFileSync("conversation.jsx", "utf8");
writeFileSync("conversation.mjs", transformSync(source, { loader: "jsx", jsx: "automatic" }).code);
const { Conversation } = await import("./conversation.mjs");
const { createElement } = await import("react");
const { createRoot } = await import("react-dom/client");
createRoot(document.getElementById("root")).render(
  createElement(Conversation, { id: "c/9", api: process.env.PARLEY_URL, token: () => process.env.PARLEY_KEY }));
const until = async (condition) => {
  while (!condition()) await new Promise((done) => setTimeout(done, 20));
};
const seen = (wanted) => until(() => document.body.textContent.includes(wanted));
const ready = () => until(() => [...document.querySelectorAll("button")].some((each) => each.textContent === "Send"));
const shown = () => [...document.querySelectorAll("p")].map((line) => line.textContent);
const write = (words) => {
  document.querySelector("input").value = words;
  document.querySelector("form").dispatchEvent(new dom.window.Event("submit", { bubbles: true, cancelable: true }));
};
await ready();
"""


def documented(folder: Path, version: int) -> None:
    """Paste the component of the documentation into an empty folder, with the version of `ai` that it asks for."""
    [component] = re.findall(r"```jsx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    folder.mkdir()
    assert component.count('"v=7"') == 1
    (folder / "conversation.jsx").write_text(component.replace('"v=7"', f'"v={version}"'))


@pytest.mark.parametrize("version", VERSIONS)
async def test_use_chat_as_it_is_documented(tmp_path: Path, version: int) -> None:
    script = """
    write("Hello");
    await seen("You said: Hello");
    await ready();
    print(shown());
    write("More");
    await seen("The 1 message");
    print(shown());
    process.exit(0);
    """
    documented(tmp_path / "npm", version)
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0", BASIC_DAILY_LIMIT="1") as parley:
        person = await sign_in(parley.address)
        key = await key_of(person)
        first, second = await printed(tmp_path / "npm", RENDER + script, parley.address, key, version)
        await person.aclose()
    assert first == ["user: Hello", "assistant: You said: Hello"]
    assert second[:3] == [*first, "user: More"]
    assert second[3].startswith("The 1 message")


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_documented_component_survives_the_death_of_the_worker(tmp_path: Path, version: int) -> None:
    """Version 7 reads `reset-step`. For version 6 the connection is broken off, and the component resumes."""
    script = """
    write("[[words 400]]");
    await seen("word3 ");
    print("text");
    await seen("word399");
    await ready();
    print([shown(), connections.broken]);
    process.exit(0);
    """
    documented(tmp_path / "npm", version)
    async with running_cluster(tmp_path) as parley:
        url = parley.apis[0].address
        person = await sign_in(url)
        variables = {"PARLEY_URL": url, "PARLEY_KEY": await key_of(person)}
        project = installed(*VERSIONS[version])
        process = await start_script(project, tmp_path / "npm", OPENING + RENDER + script, **variables)
        assert process.stdout is not None
        assert await process.stdout.readline() == b'"text"\n'
        for worker in parley.workers:
            await worker.kill()
        for worker in parley.workers:
            await worker.start()
        async with asyncio.timeout(PATIENCE):
            out, errors = await process.communicate()
        [room] = (await person.get("/chatroom")).json()["items"]
        messages = (await person.get(f"/chatroom/{room['id']}/messages")).json()["items"]
        await person.aclose()
    assert errors == b""
    shown, broken = json.loads(out)
    assert shown == [f"{message['role']}: {message['content']}" for message in messages]
    assert messages[-1]["status"] == "completed"
    assert broken == (0 if version == 7 else 1)
