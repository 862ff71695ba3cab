"""Models behind the OpenAI chat completions API: OpenAI's own, and the many servers that speak the same format.

The SDK sends the request and says what went wrong with it. The stream is decoded here: the SDK makes a tree of pydantic
objects of every chunk, which was most of what a worker did.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from parley.core.chat.errors import ModelFailed, ModelRefused, ModelUnavailable
from parley.core.chat.model import Conversation, Finished, TokenUsage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

CONNECT_SECONDS = 10.0
DRAIN_SECONDS = 0.1
TOO_MANY_REQUESTS = 429

_WHOLE = frozenset({"stop", "length"})
_KEY_REJECTED = frozenset({401, 403})
_TRANSIENT = frozenset({408, 409})
_MALFORMED = (ValueError, TypeError, AttributeError, LookupError)


class OpenAICompatibleModel:
    """The `LanguageModel` of one such server. `label` names it in the errors that an account may read.

    `api_key` must not be empty; a server without keys takes any word. `base_url` ends with `/v1` as a rule, and None
    means OpenAI itself. Nothing is imported or connected before the first reply.
    """

    def __init__(self, *, api_key: str, base_url: str | None = None, label: str = "openai") -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._label = label
        self._client: AsyncOpenAI | None = None
        self._opening = asyncio.Lock()

    async def reply(self, model: str, conversation: Conversation) -> AsyncGenerator[str | Finished, None]:
        client = await self._open()
        answer = _Answer()
        with self._translated_errors():
            async with _asked(client, _request(model, conversation)) as stream:
                async for received in stream:
                    for text in answer.texts(received):
                        yield text
                    if answer.done:
                        break
            if answer.reason == "content_filter":
                raise ModelRefused("content_blocked", f"{self._label} blocked this answer.")
            if answer.reason not in _WHOLE:
                raise ModelUnavailable("model_interrupted", f"{self._label} ended the answer before it was whole.")
        yield Finished(answer.usage)

    async def close(self) -> None:
        """Close the connections to the server. A later reply opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _open(self) -> "AsyncOpenAI":
        if self._client is None:
            async with self._opening:
                if self._client is None:
                    self._client = await asyncio.to_thread(self._new_client)
        return self._client

    def _new_client(self) -> "AsyncOpenAI":
        """Import the SDK and read the certificates: most of a second of work, so never on the event loop."""
        from httpx2 import Limits, Timeout  # noqa: PLC0415 - the SDK is slow to import and maybe never used
        from openai import AsyncOpenAI, DefaultAioHttpClient  # noqa: PLC0415

        timeout = Timeout(None, connect=CONNECT_SECONDS)
        # aiohttp reads a chunk in a third of the time that the SDK's usual way takes. 0: as many as there are replies.
        http = DefaultAioHttpClient(timeout=timeout, limits=Limits(max_connections=0))
        return AsyncOpenAI(api_key=self._api_key, base_url=self._base_url, max_retries=0, http_client=http)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        # The stream is cut with one of these two, and the SDK lets them through when an error's body is.
        from aiohttp import ClientError  # noqa: PLC0415 - as above; all of these are loaded by now
        from httpx2 import RequestError  # noqa: PLC0415
        from openai import APIConnectionError, APIError, APIStatusError  # noqa: PLC0415

        try:
            yield
        except APIStatusError as error:
            retry_after = _seconds_until(error.response.headers.get("retry-after"))
            raise _by_status(self._label, error.status_code, retry_after) from error
        except (APIConnectionError, RequestError, ClientError, OSError) as error:
            raise ModelUnavailable("model_unavailable", f"The connection to {self._label} failed.") from error
        except (APIError, *_MALFORMED) as error:
            raise ModelUnavailable("model_interrupted", f"{self._label} broke the answer off.") from error


class _Usage(Struct):
    prompt_tokens: Any = None
    completion_tokens: Any = None


class _Delta(Struct):
    content: object = None


class _Choice(Struct):
    # The last delta of some servers is null.
    delta: _Delta | str | int | float | bool | list[object] | None = None
    finish_reason: object = None


class _Chunk(Struct):
    """What is read of a chunk. Its values are as loose as servers are: some send thoughts as a list of parts."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: object = None


_chunk = msgspec.json.Decoder(_Chunk)


class _Answer:
    """What is known of an answer by now."""

    def __init__(self) -> None:
        self.usage: TokenUsage | None = None
        self.reason: object = None
        self.done = False
        self._events = _Events()

    def texts(self, received: bytes) -> Iterator[str]:
        """The pieces of text in some bytes. Raises ValueError for what makes no sense, and for the server's error."""
        for data in self._events.data(received):
            if data.startswith(b"[DONE]"):
                self.done = True
                return
            chunk = _chunk.decode(data)
            if chunk.error:
                raise ValueError(f"The server sent an error: {chunk.error}")
            if chunk.usage is not None:
                self.usage = TokenUsage(_count(chunk.usage.prompt_tokens), _count(chunk.usage.completion_tokens))
            # The chunk with the usage has no choices.
            if chunk.choices:
                choice = chunk.choices[0]
                self.reason = choice.finish_reason or self.reason
                content = choice.delta.content if isinstance(choice.delta, _Delta) else None
                if content and isinstance(content, str):
                    yield content


class _Events:
    """Server-sent events, as https://html.spec.whatwg.org/#event-stream-interpretation has it, cut at any byte."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._failing = False
        self._after_return = False

    def data(self, received: bytes) -> Iterator[bytes]:
        """The data of the events that end in these bytes. Raises ValueError for an event named error."""
        if self._after_return:
            received = received.removeprefix(b"\n")
        self._after_return = received.endswith(b"\r")
        # Of bytes, unlike of a str, these are the lines that end with CR, LF or both.
        for part in received.splitlines(keepends=True):
            self._line.append(part)
            if not part.endswith((b"\n", b"\r")):
                return
            line = b"".join(self._line).rstrip(b"\r\n")
            self._line.clear()
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.removeprefix(b" "))
            elif name == b"event":
                self._failing = value.removeprefix(b" ") == b"error"
            elif not line and (self._data or self._failing):
                data = b"\n".join(self._data)
                self._data.clear()
                if self._failing:
                    raise ValueError(f"The server sent an error: {data!r}")
                yield data


@asynccontextmanager
async def _asked(client: "AsyncOpenAI", request: bytes) -> AsyncIterator[AsyncGenerator[bytes, None]]:
    """The bytes of the answer. Leaving this before their end closes the connection."""
    from aiohttp import ClientError  # noqa: PLC0415 - loaded with the SDK
    from httpx2 import RequestError, Response  # noqa: PLC0415

    # Not by `chat.completions`, which goes through the types of all messages: most of a millisecond for nothing.
    response = await client.post("/chat/completions", cast_to=Response, content=request, stream=True)
    async with aclosing(response), aclosing(response.aiter_bytes()) as stream:
        yield stream
        # What follows is read so that the connection can serve the next reply. Whatever comes, the answer is whole.
        with suppress(RequestError, ClientError, OSError):
            async with asyncio.timeout(DRAIN_SECONDS):
                async for _ in stream:
                    pass


def _request(model: str, conversation: Conversation) -> bytes:
    messages = [{"role": turn.role.value, "content": turn.content} for turn in conversation.turns]
    if conversation.instructions:
        messages.insert(0, {"role": "system", "content": conversation.instructions})
    body = {"model": model, "messages": messages, "stream": True, "stream_options": {"include_usage": True}}
    return msgspec.json.encode(body)


def _count(said: Any) -> Any:
    """A whole number that came as 3.0 or "3" as 3. Whether any other value can be believed is for others to tell."""
    try:
        return msgspec.convert(said or 0, int, strict=False)
    except msgspec.ValidationError:
        return said


def _by_status(label: str, status: int, retry_after: float | None) -> ModelFailed:
    said = f"{label} answered with status {status}."
    if status == TOO_MANY_REQUESTS:
        return ModelUnavailable("model_rate_limited", said, retry_after=retry_after)
    if status in _TRANSIENT or status >= 500:  # noqa: PLR2004 - the server errors of HTTP
        return ModelUnavailable("model_unavailable", said, retry_after=retry_after)
    if status in _KEY_REJECTED:
        return ModelRefused("model_rejected_key", said)
    return ModelRefused("model_rejected_request", said)


def _seconds_until(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After header, which is a number or a date. None: missing or neither."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        try:
            moment = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
