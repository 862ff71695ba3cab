"""The browser's client of docs/websocket.md in a real browser."""

import re
from pathlib import Path
from typing import Any

from playwright.async_api import Page

from tests.browser.test_documented_client import page
from tests.e2e.documented import ANSWER, QUESTION, thinking_server
from tests.e2e.process import new_room, say, sign_in
from tests.e2e.test_documented_clients import token_of

__all__ = ["page"]

_PAGE = Path(__file__).parents[2] / "docs" / "websocket.md"
# Sends a message once the socket is ready, and resolves with the frames up to the end of its reply, and its answer.
CONVERSE = """([api, room, token, content]) => new Promise((resolve, reject) => {
  const frames = [];
  // The first one cannot be had.
  let calls = 0;
  const tokens = async () => { if (calls++ === 0) throw new Error(); return token; };
  let result = null;
  const opened = openRoom(api, room, tokens, (frame) => {
    frames.push(frame);
    if (frame.type === "ready") opened.send(content).then((answer) => { result = answer; }, reject);
    if (frame.type === "done") { opened.close(); resolve([frames, result]); }
  });
})"""

# Closes while the first connection waits for its token, and counts the connections that are opened afterwards.
CLOSE_EARLY = """([api, room]) => new Promise((resolve) => {
  const Opened = WebSocket;
  let opens = 0;
  globalThis.WebSocket = class extends Opened { constructor(address) { super(address); opens += 1; } };
  let give;
  const opened = openRoom(api, room, () => new Promise((resolve) => { give = resolve; }), () => {});
  opened.close();
  give("late");
  setTimeout(() => { globalThis.WebSocket = Opened; resolve(opens); }, 0);
})"""


async def test_browser_client_sends_and_receives(tmp_path: Path, page: Page) -> None:
    [script] = re.findall(r"```js\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    async with thinking_server(tmp_path) as api:
        client = await sign_in(api.address)
        room = await new_room(client)
        await page.goto(f"{api.address}/docs")
        await page.evaluate(f"() => {{ {script} globalThis.openRoom = openRoom; }}")
        frames, result = await page.evaluate(CONVERSE, [api.address, room, token_of(client), QUESTION])
        assert await page.evaluate(CLOSE_EARLY, [api.address, room]) == 0
        seen: list[dict[str, Any]] = frames
        assert seen[-1]["message"]["content"] == ANSWER
        assert seen[-1]["message_id"] == result["reply"]["id"]
        assert "".join(frame["text"] for frame in seen if frame["type"] == "delta") == ANSWER
        assert {"accepted", "start", "reasoning"} <= {frame["type"] for frame in seen}
        await say(client, room, "Another one")
        await client.aclose()
