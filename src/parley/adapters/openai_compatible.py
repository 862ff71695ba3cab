"""Models behind the OpenAI chat completions API: OpenAI's own, and the many servers that speak the same format."""

import asyncio
import math
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from parley.core.chat.errors import ModelFailed, ModelRefused, ModelUnavailable
from parley.core.chat.model import Conversation, Finished, TokenUsage

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam

CONNECT_SECONDS = 10.0
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
        usage: TokenUsage | None = None
        reason: str | None = None
        with self._our_errors():
            stream = await client.chat.completions.create(
                model=model, messages=_messages(conversation), stream=True, stream_options={"include_usage": True}
            )
            async with stream:
                async for chunk in stream:
                    usage = _usage(chunk) or usage
                    text, reason = _read(chunk, reason)
                    if text:
                        yield text
            if reason == "content_filter":
                raise ModelRefused("content_blocked", f"{self._label} blocked this answer.")
            if reason not in _WHOLE:
                raise ModelUnavailable("model_interrupted", f"{self._label} ended the answer before it was whole.")
        yield Finished(usage)

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
        from openai import AsyncOpenAI, Timeout  # noqa: PLC0415 - the SDK is slow to import and maybe never used

        client = AsyncOpenAI(
            api_key=self._api_key,
            base_url=self._base_url,
            max_retries=0,
            timeout=Timeout(None, connect=CONNECT_SECONDS),
        )
        client.chat.completions  # noqa: B018 - the SDK imports this part on first access
        return client

    @contextmanager
    def _our_errors(self) -> Iterator[None]:
        # The SDK lets these two through when the body of an error status is cut.
        from anyio import EndOfStream  # noqa: PLC0415 - as above; all of these are loaded by now
        from httpx2 import RequestError  # noqa: PLC0415
        from openai import APIConnectionError, APIError, APIStatusError  # noqa: PLC0415

        try:
            yield
        except APIStatusError as error:
            retry_after = _seconds_until(error.response.headers.get("retry-after"))
            raise _by_status(self._label, error.status_code, retry_after) from error
        except (APIConnectionError, RequestError, EndOfStream, OSError) as error:
            raise ModelUnavailable("model_unavailable", f"The connection to {self._label} failed.") from error
        except (APIError, *_MALFORMED) as error:
            raise ModelUnavailable("model_interrupted", f"{self._label} broke the answer off.") from error


def _messages(conversation: Conversation) -> "list[ChatCompletionMessageParam]":
    messages: list[ChatCompletionMessageParam] = []
    if conversation.instructions:
        messages.append({"role": "system", "content": conversation.instructions})
    for turn in conversation.turns:
        # Two literals, since the SDK's types tell a user's message from an assistant's by its role.
        if turn.role == "user":
            messages.append({"role": "user", "content": turn.content})
        else:
            messages.append({"role": "assistant", "content": turn.content})
    return messages


def _read(chunk: "ChatCompletionChunk", reason: str | None) -> tuple[str | None, str | None]:
    """The chunk's text, and the finish reason known by now. The chunk with the usage has no choices."""
    if not chunk.choices:
        return None, reason
    choice = chunk.choices[0]
    # The SDK does not validate chunks: some servers send a last delta that is null, or thoughts as a list of parts.
    content: object = getattr(choice.delta, "content", None)
    return content if isinstance(content, str) else None, choice.finish_reason or reason


def _usage(chunk: "ChatCompletionChunk") -> TokenUsage | None:
    if chunk.usage is None:
        return None
    return TokenUsage(chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)


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
