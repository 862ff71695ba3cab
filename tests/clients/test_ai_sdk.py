"""npm's AI SDK against parley: its transport, and useChat under jsdom."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from tests.clients.npm import installed, run_script, start_script
from tests.e2e.process import PATIENCE, model_server, served, sign_in
from tests.faults.cluster import cluster as running_cluster

PAGE = Path(__file__).parents[2] / "docs" / "ai-sdk.md"
PACKAGES = ("ai@7.0.173", "@ai-sdk/react@4.0.177", "react@19.3.1", "react-dom@19.3.1", "jsdom@29.1.1", "esbuild@0.28.0")
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
const tell = (value) => console.log(JSON.stringify(value));
"""


async def told(folder: Path, script: str, url: str, key: str) -> list[Any]:
    """What the script told, one value a line."""
    folder.mkdir()
    code, out, errors = await run_script(installed(*PACKAGES), folder, OPENING + script, PARLEY_URL=url, PARLEY_KEY=key)
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
    tell([text(first), again.id === first.id, text(more), other.id !== first.id, text(other), text(edited)]);
    tell([await transport.reconnectToStream({ chatId: "c1" }), await transport.reconnectToStream({ chatId: "none" })]);
    try {
      await send([said("m3", "Too much")]);
    } catch (error) {
      tell(error.message);
    }
    """
    async with served(tmp_path, BASIC_DAILY_LIMIT="4", OFFLINE_DELAY_SECONDS="0") as parley:
        person = await sign_in(parley.address)
        answers, resumed, refusal = await told(tmp_path / "npm", script, parley.address, await key_of(person))
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
    tell([stopped.status, text(resumed).length > 0, text(resumed) === text(last), resumed.id === last.id]);
    """
    async with model_server("--delay", "0.02") as model:
        settings = {"OPENAI_BASE_URL": f"{model}/v1", "OPENAI_MODELS": "scripted"}
        async with served(tmp_path, **settings) as parley:
            person = await sign_in(parley.address)
            [answer] = await told(tmp_path / "npm", script, parley.address, await key_of(person))
            await person.aclose()
    assert answer == [204, True, True, True]


async def test_a_later_attempt_takes_back_what_was_read(tmp_path: Path) -> None:
    script = """
    const reading = (await send([said("m1", "[[words 400]]")]));
    let last;
    for await (const message of readUIMessageStream({ stream: reading })) {
      if (!last && text(message)) console.log('"text"');
      if (text(message)) last = message;
    }
    tell(text(last));
    """
    async with running_cluster(tmp_path) as parley:
        url = parley.apis[0].address
        person = await sign_in(url)
        (tmp_path / "npm").mkdir()
        variables = {"PARLEY_URL": url, "PARLEY_KEY": await key_of(person)}
        process = await start_script(installed(*PACKAGES), tmp_path / "npm", OPENING + script, **variables)
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
    assert json.loads(out) == messages[-1]["content"]
    assert messages[-1]["status"] == "completed"


async def test_use_chat_as_it_is_documented(tmp_path: Path) -> None:
    [component] = re.findall(r"```jsx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "npm").mkdir()
    (tmp_path / "npm" / "chat.jsx").write_text(component)
    script = """
    import { writeFileSync, readFileSync } from "node:fs";
    import { transformSync } from "esbuild";
    import { JSDOM } from "jsdom";
    const dom = new JSDOM('<div id="root"></div>', { url: process.env.PARLEY_URL });
    globalThis.window = dom.window;
    for (const name of ["document", "HTMLElement", "Event", "FormData"]) globalThis[name] = dom.window[name];
    const source = readFileSync("chat.jsx", "utf8");
    writeFileSync("chat.mjs", transformSync(source, { loader: "jsx", jsx: "automatic" }).code);
    const { Chat } = await import("./chat.mjs");
    const { createElement } = await import("react");
    const { createRoot } = await import("react-dom/client");
    createRoot(document.getElementById("root")).render(
      createElement(Chat, { id: "c9", api: process.env.PARLEY_URL, token: () => process.env.PARLEY_KEY }));
    const seen = async (wanted) => {
      while (!document.body.textContent.includes(wanted)) await new Promise((done) => setTimeout(done, 20));
    };
    const ready = async () => {
      while (![...document.querySelectorAll("button")].some((button) => button.textContent === "Send"))
        await new Promise((done) => setTimeout(done, 20));
    };
    await ready();
    document.querySelector("input").value = "Hello";
    document.querySelector("form").dispatchEvent(new dom.window.Event("submit", { bubbles: true, cancelable: true }));
    await seen("You said: Hello");
    await ready();
    tell([...document.querySelectorAll("p")].map((line) => line.textContent));
    process.exit(0);
    """
    async with served(tmp_path, OFFLINE_DELAY_SECONDS="0") as parley:
        person = await sign_in(parley.address)
        variables = {"PARLEY_URL": parley.address, "PARLEY_KEY": await key_of(person)}
        code, out, errors = await run_script(installed(*PACKAGES), tmp_path / "npm", OPENING + script, **variables)
        await person.aclose()
    assert (code, errors) == (0, "")
    assert json.loads(out) == ["user: Hello", "assistant: You said: Hello"]
