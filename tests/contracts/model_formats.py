"""The two formats in which model servers answer, written out for tests that choose every byte."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from parley.adapters.models.gemini import GeminiModel
from parley.adapters.models.openai_compatible import OpenAICompatibleModel
from tests.contracts.model_fixtures import KEY, Received, Subject
from tests.servers.raw_server import Answer, RawServer


@dataclass(frozen=True)
class Format:
    """How one format says a thing: each of these is the JSON of one event, without its frame."""

    name: str
    open: Callable[[str], Any]
    text: Callable[..., str]
    thought: Callable[[str], str]
    end: Callable[[Any], str]
    stopped: str
    cut_short: str
    filtered: str
    counts: Callable[..., str]
    whole: Callable[[str], str]
    instructions: Callable[[Any], str | None]
    first_turn: Callable[[Any], str]


def _openai_choice(delta: dict[str, Any], **fields: Any) -> str:
    return json.dumps({"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": None} | fields]})


def _openai_counts(read: Any, written: Any, cached: Any = None, reasoned: Any = None) -> str:
    usage = {
        "prompt_tokens": read,
        "completion_tokens": written,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoned},
    }
    return json.dumps({"choices": [], "usage": usage})


OPENAI = Format(
    name="openai",
    open=lambda url: OpenAICompatibleModel(api_key=KEY, base_url=f"{url}/v1"),
    text=lambda text, **fields: _openai_choice({"content": text}, **fields),
    thought=lambda text: _openai_choice({"reasoning_content": text}),
    end=lambda word: _openai_choice({}, finish_reason=word),
    stopped="stop",
    cut_short="length",
    filtered="content_filter",
    counts=_openai_counts,
    whole=lambda text: json.dumps(
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
    ),
    instructions=lambda body: next((each["content"] for each in body["messages"] if each["role"] == "system"), None),
    first_turn=lambda body: next(each["content"] for each in body["messages"] if each["role"] != "system"),
)


def _gemini_candidate(*parts: Any, **fields: Any) -> str:
    return json.dumps({"candidates": [{"content": {"parts": list(parts), "role": "model"}, "index": 0} | fields]})


def _gemini_counts(read: Any, written: Any, cached: Any = None, reasoned: Any = None) -> str:
    """Gemini counts thoughts beside the text and not in it."""
    texts = written if reasoned is None else written - reasoned
    usage = {
        "promptTokenCount": read,
        "candidatesTokenCount": texts,
        "cachedContentTokenCount": cached,
        "thoughtsTokenCount": reasoned,
    }
    return json.dumps({"usageMetadata": usage})


GEMINI = Format(
    name="gemini",
    open=lambda url: GeminiModel(api_key=KEY, base_url=url),
    text=lambda text, **fields: _gemini_candidate({"text": text}, **fields),
    thought=lambda text: _gemini_candidate({"text": text, "thought": True}),
    end=lambda word: json.dumps({"candidates": [{"finishReason": word, "index": 0}]}),
    stopped="STOP",
    cut_short="MAX_TOKENS",
    filtered="SAFETY",
    counts=_gemini_counts,
    whole=lambda text: _gemini_candidate({"text": text}, finishReason="STOP"),
    instructions=lambda body: (
        "".join(each["text"] for each in body.get("systemInstruction", {"parts": []})["parts"]) or None
    ),
    first_turn=lambda body: "".join(each["text"] for each in body["contents"][0]["parts"]),
)


@dataclass
class Connection:
    """An adapter and the server that answers it."""

    format: Format
    server: RawServer
    subject: Subject

    async def receive(self, *parts: bytes, end: bytes | None = b"0\r\n\r\n", **fields: Any) -> Received:
        self.server.answers = [Answer(parts, end=end, **fields)]
        return await self.subject.answer("Speak!")


@asynccontextmanager
async def connected(form: Format) -> AsyncIterator[Connection]:
    async with RawServer().running() as server:
        model = form.open(server.address)
        try:
            yield Connection(form, server, Subject(model, "any", ""))
        finally:
            await model.close()


def events(*data: str) -> bytes:
    """The frames of a stream that keeps to the standard."""
    return "".join(f"data: {each}\n\n" for each in data).encode()
