"""The frames of the chat page while 30 replies a second of 10 deltas arrive: `python -m benchmarks.chat_page`.

In Chromium, out of its own trace. The page's own modules show the messages; no model and no network takes part.
"""

import asyncio
import json
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.browser.chat_page import ChatPage, browser
from tests.e2e.process import served

SECONDS, REPLIES_A_SECOND, DELTAS = 20, 30, 10
MOST_MILLISECONDS = 100.0
CATEGORIES = [
    "-*",
    "toplevel",
    "devtools.timeline",
    "devtools.timeline.frame",
    "disabled-by-default-devtools.timeline",
    "disabled-by-default-devtools.timeline.frame",
]
# Messages appear in the room that is open; a paragraph, a list and code are in each reply.
DRIVE = """async ([seconds, replies, deltas]) => {
  const main = document.querySelector("script[type=module]").src;
  const { Timeline } = await import(main.replace(/[^/]+$/, "timeline.js"));
  const timeline = new Timeline({ older() {} });
  document.querySelector(".empty").replaceWith(timeline.element);
  const siblings = { index: 0, count: 1, ids: [] };
  const delta = "Some **words** of an `answer`.\\n\\n- one\\n- two\\n\\n```js\\nlet x;\\n```\\n";
  const created_at = "2026-01-01T00:00:00Z";
  const message = (role, id, fields) => ({ id: `${role}-${id}`, role, siblings, created_at, ...fields });
  const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  const write = async (id) => {
    timeline.append(message("user", id, { status: "completed", content: `Question ${id}` }));
    const live = message("assistant", id, { status: "generating", content: "", parts: [] });
    timeline.append(live);
    timeline.toEnd();
    for (let count = 1; count <= deltas; count += 1) {
      await pause(1000 / replies);
      timeline.grow(live.id, [{ type: "text", text: delta.repeat(count) }]);
    }
    const text = delta.repeat(deltas);
    timeline.update({ ...live, status: "completed", content: text, parts: [{ type: "text", text }] });
  };
  const started = performance.now();
  const writing = [];
  for (let id = 0; id < seconds * replies; id += 1) {
    writing.push(write(id));
    await pause(Math.max(0, started + ((id + 1) * 1000) / replies - performance.now()));
  }
  await Promise.all(writing);
  return (performance.now() - started) / 1000;
}"""


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="parley-benchmarks-") as name:
        async with served(Path(name)) as api, browser() as chromium:
            page = await ChatPage.opened(await chromium.new_context(), api.address)
            await page.sign_in()
            await chromium.start_tracing(page=page.tab, categories=CATEGORIES)
            took = await page.tab.evaluate(DRIVE, [SECONDS, REPLIES_A_SECOND, DELTAS])
            trace = await chromium.stop_tracing()
            page.assert_quiet()
    report(json.loads(trace)["traceEvents"], took)


def report(events: list[dict[str, Any]], took: float) -> None:
    renderer = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    drawn = sorted(each["ts"] / 1000 for each in events if each["name"] == "DrawFrame")
    gaps = [after - before for before, after in pairwise(drawn)]
    tasks = [
        each["dur"] / 1000
        for each in events
        if each["name"] == "ThreadControllerImpl::RunTask" and "dur" in each and (each["pid"], each["tid"]) in renderer
    ]
    reached = "reached" if max(gaps) <= MOST_MILLISECONDS else "NOT REACHED"
    print(f"{SECONDS * REPLIES_A_SECOND} replies of {DELTAS} deltas in {took:.1f} s, {len(drawn)} frames drawn")
    print(f"longest time between two frames: {max(gaps):.0f} ms, goal {MOST_MILLISECONDS:.0f} ms: {reached}")
    print(f"longest task of the page: {max(tasks):.0f} ms; all tasks: {sum(tasks) / 10 / took:.0f} % of a core")


if __name__ == "__main__":
    asyncio.run(main())
