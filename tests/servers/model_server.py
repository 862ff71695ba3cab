"""A local server that speaks the wire formats of the Gemini API and of OpenAI's chat completions.

By itself: `python -m tests.servers.model_server --port 9009`. It answers `Answer to: <last user turn>`, word by word.
Directives in that turn choose another course, several at once if need be:
    [[status 503]]          an HTTP error, its body whole or [[cut]]; may go on with `retry-after 2` (or a date, with _
                            for spaces), and for Gemini's error body with `retry-delay 7s`, `reason API_KEY_INVALID`
    [[words 500]]           that many numbered words; [[drip 0.5]]: seconds between two pieces
    [[thought]]             a thought before the answer; [[think 90]]: that many numbered ones, at the pace of the words
    [[length]]              the answer reached the model's limit
    [[blocked]]             the prompt is blocked; [[stall-first]]: headers, and then nothing ever
    [[blocked-answer]] [[error-mid-stream]] [[garbage]] [[cut]] [[no-finish]] [[stall]]
                            after half of the pieces: blocked, an error event, no JSON, the connection dropped in
                            mid-chunk, an end without a finish reason, nothing ever again
    [[first 2 status 503]]  any of these for the first two requests with this very prompt; [[once cut]]: for the first

GET /_requests answers what was asked, and how many clients left before their answer was whole.
"""

import argparse
import asyncio
import json
import re
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from tests.servers.http_server import HttpServer, head, read_request

DIRECTIVE = re.compile(r"\[\[(?:(once) |first (\d+) )?([^\[\]]+)\]\]")
HALF_WAY = frozenset({"blocked-answer", "error-mid-stream", "garbage", "cut", "no-finish", "stall"})
ENDINGS = HALF_WAY | {"length", "blocked", "stall-first"}
WORDS_OF_THE_VENDOR = "words of the vendor that no account should read"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: Any


class Scenario:
    """What the directives of a prompt ask for when it is sent for the `times`-th time."""

    def __init__(self, prompt: str, times: int) -> None:
        self.options: dict[str, str] = {}
        self.ending = "stop"
        for once, first, directive in DIRECTIVE.findall(prompt):
            if not (once or first) or times <= int(first or 1):
                words = directive.split()
                self.ending = words[0] if words[0] in ENDINGS else self.ending
                self.options |= dict(zip(words[::2], [*words[1::2], ""], strict=False))
        numbered = "".join(f"word{n} " for n in range(int(self.options.get("words", 0))))
        pieces = re.findall(r"\S+\s*", numbered or f"Answer to: {prompt}")
        numbered_thoughts = [f"thought{n} " for n in range(int(self.options.get("think", 0)))]
        self.thoughts = ["Hm."] if "thought" in self.options else numbered_thoughts
        self.pieces = pieces[: max(1, len(pieces) // 2)] if self.ending in HALF_WAY else pieces


class OpenAIFormat:
    def __init__(self, request: Request) -> None:
        self._counts_wanted = request.body.get("stream_options", {}).get("include_usage", False)
        said = [(message["role"], message["content"]) for message in request.body["messages"]]
        self.prompt = next(text for role, text in reversed(said) if role == "user")
        self.words = sum(len(text.split()) for _, text in said)
        self.key = request.headers.get("authorization", "").removeprefix("Bearer ")

    def _event(self, *choices: dict[str, Any], **fields: Any) -> bytes:
        common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "local"}
        return b"data: " + json.dumps(common | {"choices": choices} | fields).encode() + b"\n\n"

    def piece(self, text: str, *, thought: bool = False) -> bytes:
        delta = {"role": "assistant", "reasoning_content" if thought else "content": text}
        return self._event({"index": 0, "delta": delta, "finish_reason": None})

    def end(self, ending: str, written: int) -> bytes:
        reason = {"stop": "stop", "length": "length"}.get(ending, "content_filter")
        usage = {"prompt_tokens": self.words, "completion_tokens": written, "total_tokens": self.words + written}
        counts = self._event(usage=usage) if self._counts_wanted else b""
        return self._event({"index": 0, "delta": {}, "finish_reason": reason}) + counts + b"data: [DONE]\n\n"

    @staticmethod
    def error(status: int, options: dict[str, str]) -> dict[str, Any]:
        return {"error": {"message": WORDS_OF_THE_VENDOR, "type": "some_error", "code": options.get("reason", status)}}


class GeminiFormat:
    def __init__(self, request: Request) -> None:
        turns = [*request.body["contents"], request.body.get("systemInstruction", {"parts": []}) | {"role": "system"}]
        said = [(turn["role"], "".join(part["text"] for part in turn["parts"])) for turn in turns]
        self.prompt = next(text for role, text in reversed(said) if role == "user")
        self.words = sum(len(text.split()) for _, text in said)
        self.key = request.headers.get("x-goog-api-key", "")

    def _event(self, **fields: Any) -> bytes:
        return b"data: " + json.dumps(fields | {"modelVersion": "local"}).encode() + b"\r\n\r\n"

    def piece(self, text: str, *, thought: bool = False, written: int = 0, reason: str | None = None) -> bytes:
        part = {"text": text} | ({"thought": True} if thought else {})
        candidate = {"content": {"parts": [part], "role": "model"}, "index": 0}
        return self._event(
            candidates=[candidate | ({"finishReason": reason} if reason else {})],
            usageMetadata={"promptTokenCount": self.words, "candidatesTokenCount": written},
        )

    def end(self, ending: str, written: int) -> bytes:
        if ending == "blocked":
            return self._event(promptFeedback={"blockReason": "PROHIBITED_CONTENT"})
        return self.piece("", written=written, reason={"stop": "STOP", "length": "MAX_TOKENS"}.get(ending, "SAFETY"))

    @staticmethod
    def error(status: int, options: dict[str, str]) -> dict[str, Any]:
        fields = {"RetryInfo": ("retryDelay", "retry-delay"), "ErrorInfo": ("reason", "reason")}
        said = [(kind, field, options[name]) for kind, (field, name) in fields.items() if name in options]
        details = [{"@type": f"type.googleapis.com/google.rpc.{kind}", field: value} for kind, field, value in said]
        return {"error": {"code": status, "message": WORDS_OF_THE_VENDOR, "status": "SOME", "details": details}}


Format = OpenAIFormat | GeminiFormat
FORMATS = {
    r"/v1/chat/completions": OpenAIFormat,
    r"/v1beta/models/[^/:]+:streamGenerateContent\?alt=sse": GeminiFormat,
}


class ModelServer(HttpServer):
    """The server, in the running event loop. `delay`: seconds between pieces; `key`: the only API key it accepts."""

    def __init__(self, *, delay: float = 0.0, key: str | None = None) -> None:
        super().__init__()
        self.requests: list[Request] = []
        self.disconnects = self.stalls = 0
        self._delay, self._key = delay, key
        self._asked: Counter[str] = Counter()

    @property
    def openai_url(self) -> str:
        return f"{self.address}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, path, headers, body = await read_request(reader)
        request = Request(method, path, headers, json.loads(body) if body else {})
        tasks = [asyncio.create_task(self._answer(request, writer)), asyncio.create_task(reader.read(1))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[0].done() and not isinstance(tasks[0].exception(), ConnectionError):
                tasks[0].result()  # A fault of this server's own shows.
            else:
                self.disconnects += 1
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path == "/_requests":
            return await _send_json(writer, 200, {"requests": self.requests, "disconnects": self.disconnects}, {})
        self.requests.append(request)
        self.notify()
        if request.path == "/v1/models":
            return await _send_json(writer, 200, {"object": "list", "data": [{"id": "local", "object": "model"}]}, {})
        if request.path.startswith("/v1beta/models?"):
            return await _send_json(writer, 200, {"models": [{"name": "models/local"}]}, {})
        spoken = next((form for pattern, form in FORMATS.items() if re.fullmatch(pattern, request.path)), None)
        if spoken is None:
            return await _send_json(writer, 404, OpenAIFormat.error(404, {}), {})
        form = spoken(request)
        self._asked[form.prompt] += 1
        scenario = Scenario(form.prompt, self._asked[form.prompt])
        status = int(scenario.options.get("status", 200)) if self._key in (None, form.key) else 401
        if status != 200:
            return await _send_json(writer, status, form.error(status, scenario.options), scenario.options)
        return await self._stream(writer, form, scenario)

    async def _stream(self, writer: asyncio.StreamWriter, form: Format, scenario: Scenario) -> None:
        chunked = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
        writer.write(head(200, {"Connection": "close"} | chunked))
        if scenario.ending not in {"stall-first", "blocked"}:
            thoughts = [form.piece(thought, thought=True) for thought in scenario.thoughts]
            for event in [form.piece(""), *thoughts, *map(form.piece, scenario.pieces)]:
                writer.write(b"%x\r\n%b\r\n" % (len(event), event))
                await writer.drain()
                await asyncio.sleep(float(scenario.options.get("drip", self._delay)))
        if scenario.ending.startswith("stall"):
            self.stalls += 1
            self.notify()
            await asyncio.Event().wait()
        error = b"data: " + json.dumps(form.error(503, scenario.options)).encode() + b"\n\n"
        broken = {"error-mid-stream": error, "garbage": b'data: {"cand\n\n', "no-finish": b"\n"}
        event = broken.get(scenario.ending) or form.end(scenario.ending, len(scenario.pieces))
        writer.write(b"400\r\ndata: {" if scenario.ending == "cut" else b"%x\r\n%b\r\n0\r\n\r\n" % (len(event), event))
        await writer.drain()


async def _send_json(writer: asyncio.StreamWriter, status: int, content: Any, options: dict[str, str]) -> None:
    data = json.dumps(content, default=asdict).encode()
    length = len(data) + ("cut" in options)
    retry = {"Retry-After": options["retry-after"].replace("_", " ")} if "retry-after" in options else {}
    headers = {"Connection": "close", "Content-Type": "application/json", "Content-Length": str(length)}
    writer.write(head(status, headers | retry) + data)
    await writer.drain()


async def main() -> None:
    arguments = argparse.ArgumentParser(description="A local stand-in for the Gemini and OpenAI APIs.")
    arguments.add_argument("--port", type=int, default=9009, help="0 for a free one")
    arguments.add_argument("--delay", type=float, default=0.02, help="seconds between two pieces of text")
    arguments.add_argument("--key", help="the only API key to accept; any without this")
    given = arguments.parse_args()
    server = ModelServer(delay=given.delay, key=given.key)
    async with server.running(given.port):
        print(f"Gemini base URL {server.address} and OpenAI base URL {server.openai_url}", flush=True)  # noqa: T201 - asked for
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
