"""The language models under contract, each opened with whatever it needs, and what is its own to say about each."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from parley.adapters.models.gemini import GeminiModel
from parley.adapters.models.offline import ECHO, OfflineModel
from parley.adapters.models.openai_compatible import OpenAICompatibleModel
from parley.core.chat.errors import ModelFailed
from parley.core.chat.language_model import Finished, LanguageModel, ModelEvent, Reasoning, SignOfLife, Text
from parley.core.chat.model import Conversation, Role, Turn
from tests.servers.model_server import ModelServer, Request

KEY = "key-of-the-tests"


@dataclass(frozen=True)
class Subject:
    """An adapter, a model name for it, and the beginning of every answer."""

    adapter: LanguageModel
    model: str
    opening: str

    def ask(self, prompt: str, *earlier: Turn, instructions: str | None = None) -> AsyncGenerator[ModelEvent, None]:
        conversation = Conversation(instructions, (*earlier, Turn(Role.USER, prompt)))
        return self.adapter.reply(self.model, conversation)

    async def answer(self, prompt: str) -> "Received":
        return await read_reply(self.ask(prompt))


@dataclass(frozen=True)
class Sent:
    """What a request said, in no vendor's words."""

    path: str
    key: str
    instructions: str | None
    turns: list[tuple[str, str]]


@dataclass(frozen=True)
class Vendor(Subject):
    """An adapter that uses `server`. `assistant` is the format's name of that role."""

    server: ModelServer
    label: str
    path: str
    assistant: str
    blocked_prompt: str
    understand: Callable[[Request], Sent]


@dataclass
class Received:
    """The events of one reply, and the error that ended it, if one did."""

    events: list[ModelEvent] = field(default_factory=list)
    error: ModelFailed | None = None

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Text)]

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def reasoning(self) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Reasoning))

    @property
    def signs_of_life(self) -> int:
        return self.events.count(SignOfLife())

    @property
    def finished(self) -> Finished | None:
        last = self.events[-1] if self.events else None
        return last if isinstance(last, Finished) else None

    @property
    def failure(self) -> tuple[type, str] | None:
        return (type(self.error), self.error.code) if self.error else None


async def read_reply(reply: AsyncGenerator[ModelEvent, None]) -> Received:
    """Read a reply to its end. Nothing follows Finished and no text is empty; a failure is recorded."""
    received = Received()
    try:
        async with aclosing(reply):
            async for event in reply:
                assert received.finished is None
                assert not isinstance(event, Text | Reasoning) or event.text
                received.events.append(event)
    except ModelFailed as error:
        received.error = error
    assert (received.finished is None) == (received.error is not None)
    return received


@asynccontextmanager
async def offline() -> AsyncIterator[Subject]:
    adapter = OfflineModel(delay=0.0)
    yield Subject(adapter, ECHO, "You said: ")
    await adapter.close()


@asynccontextmanager
async def gemini(*, key: str = KEY) -> AsyncIterator[Vendor]:
    async with ModelServer(key=KEY).running() as server:
        adapter = GeminiModel(api_key=key, base_url=server.address)
        yield Vendor(
            adapter=adapter,
            model="gemini-of-the-tests",
            opening="Answer to: ",
            server=server,
            label="gemini",
            path="/v1beta/models/gemini-of-the-tests:streamGenerateContent?alt=sse",
            assistant="model",
            blocked_prompt="prompt_blocked",
            understand=_understand_gemini,
        )
        await adapter.close()


@asynccontextmanager
async def openai(*, key: str = KEY) -> AsyncIterator[Vendor]:
    async with ModelServer(key=KEY).running() as server:
        adapter = OpenAICompatibleModel(api_key=key, base_url=server.openai_url, label="some vendor")
        yield Vendor(
            adapter=adapter,
            model="gpt-of-the-tests",
            opening="Answer to: ",
            server=server,
            label="some vendor",
            path="/v1/chat/completions gpt-of-the-tests",
            assistant="assistant",
            blocked_prompt="content_blocked",
            understand=_understand_openai,
        )
        await adapter.close()


def _understand_gemini(request: Request) -> Sent:
    said = request.body.get("systemInstruction")
    return Sent(
        path=request.path,
        key=request.headers["x-goog-api-key"],
        instructions=_text(said) if said else None,
        turns=[(content["role"], _text(content)) for content in request.body["contents"]],
    )


def _text(content: dict[str, Any]) -> str:
    return "".join(part["text"] for part in content["parts"])


def _understand_openai(request: Request) -> Sent:
    messages = request.body["messages"]
    return Sent(
        path=f"{request.path} {request.body['model']}",
        key=request.headers["authorization"].removeprefix("Bearer "),
        instructions=next((m["content"] for m in messages if m["role"] == "system"), None),
        turns=[(m["role"], m["content"]) for m in messages if m["role"] != "system"],
    )
