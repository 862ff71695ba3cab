"""Google's Gemini models, by the Gemini Developer API."""

import asyncio
import math
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from parley.core.chat.errors import ModelFailed, ModelRefused, ModelUnavailable
from parley.core.chat.model import Conversation, Finished, Role, TokenUsage

if TYPE_CHECKING:
    import httpx2
    from google.genai import Client
    from google.genai.errors import APIError
    from google.genai.types import ContentDict, GenerateContentConfigDict, GenerateContentResponse

CONNECT_SECONDS = 10.0
KEPT_CONNECTIONS = 100
TOO_MANY_REQUESTS = 429
ERROR_TYPES = "type.googleapis.com/google.rpc."

_WHOLE = frozenset({"STOP", "MAX_TOKENS"})
_BLOCKED = frozenset({
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_RECITATION",
    "IMAGE_PROHIBITED_CONTENT", "MODEL_ARMOR", "ESCALATION", "PUP_LIMITED_DISABLED",
})  # fmt: skip
_KEY_REJECTED = frozenset({401, 403})
_TRANSIENT = frozenset({408, 409})
_MALFORMED = (ValueError, TypeError, AttributeError, LookupError)

_responses: "ContextVar[list[httpx2.Response] | None]" = ContextVar("_responses", default=None)


class _Vendor(NamedTuple):
    """The SDK's client, and the HTTP client under it, which the SDK leaves to us to close."""

    sdk: "Client"
    http: "httpx2.AsyncClient"


class GeminiModel:
    """The `LanguageModel` of the Gemini API at `base_url`; None means Google's own address.

    `api_key` must not be empty. Nothing is imported or connected before the first reply.
    """

    def __init__(self, *, api_key: str, base_url: str | None = None, api_version: str = "v1beta") -> None:
        self._api_key = api_key
        self._base_url = base_url
        self._api_version = api_version
        self._vendor: _Vendor | None = None
        self._opening = asyncio.Lock()

    async def reply(self, model: str, conversation: Conversation) -> AsyncGenerator[str | Finished, None]:
        vendor = await self._open()
        usage: TokenUsage | None = None
        reason: str | None = None
        with _translated_errors():
            async with aclosing(_chunks(vendor.sdk, model, conversation)) as chunks:
                async for chunk in chunks:
                    if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None:
                        raise ModelRefused("prompt_blocked", "gemini blocked this prompt.")
                    usage = _usage(chunk) or usage
                    text, reason = _read(chunk, reason)
                    if text:
                        yield text
        if reason in _BLOCKED:
            raise ModelRefused("content_blocked", "gemini blocked this answer.")
        if reason not in _WHOLE:
            raise ModelUnavailable("model_interrupted", "gemini ended the answer before it was whole.")
        yield Finished(usage)

    async def close(self) -> None:
        """Close the connections to the API. A later reply opens new ones."""
        vendor, self._vendor = self._vendor, None
        if vendor is not None:
            await vendor.sdk.aio.aclose()
            vendor.sdk.close()
            await vendor.http.aclose()

    async def _open(self) -> _Vendor:
        if self._vendor is None:
            async with self._opening:
                if self._vendor is None:
                    self._vendor = await asyncio.to_thread(self._new_vendor)
        return self._vendor

    def _new_vendor(self) -> _Vendor:
        """Import the SDK and read the certificates: most of a second of work, so never on the event loop."""
        import httpx2  # noqa: PLC0415 - comes with the SDK
        from google.genai import Client  # noqa: PLC0415 - the SDK is slow to import and maybe never used
        from google.genai.types import HttpOptions  # noqa: PLC0415

        # A client of our own: else the SDK uses aiohttp wherever that is installed, whose timeout is a total. Its pool
        # has no limit, since how many replies run at once is the worker's business.
        http = httpx2.AsyncClient(
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=KEPT_CONNECTIONS),
            event_hooks={"request": [_limit_connecting], "response": [_note_response]},
        )
        options = HttpOptions(base_url=self._base_url, api_version=self._api_version, httpx_async_client=http)
        # `enterprise` is said, so that an environment made for Google's other API does not redirect this one.
        return _Vendor(Client(api_key=self._api_key, enterprise=False, http_options=options), http)


async def _limit_connecting(request: "httpx2.Request") -> None:
    """The SDK sends each request with its own timeout, none, over the client's; so it is set here."""
    request.extensions["timeout"] = {"connect": CONNECT_SECONDS, "read": None, "write": None, "pool": None}


async def _note_response(response: "httpx2.Response") -> None:
    noted = _responses.get()
    if noted is not None:
        noted.append(response)


async def _chunks(
    sdk: "Client", model: str, conversation: Conversation
) -> "AsyncGenerator[GenerateContentResponse, None]":
    """The SDK's chunks. Closing this closes the response.

    Closing the SDK's own iterator does not: it is six generators deep, and only the garbage collector closes the inner
    ones. So the response is noted while the first chunk is fetched, which is when the SDK sends the request.
    """
    stream = await sdk.aio.models.generate_content_stream(
        model=model, contents=_contents(conversation), config=_config(conversation)
    )
    responses: list[httpx2.Response] = []
    try:
        noting = _responses.set(responses)
        try:
            chunk = await anext(stream, None)
        finally:
            _responses.reset(noting)
        while chunk is not None:
            yield chunk
            chunk = await anext(stream, None)
    finally:
        for response in responses:
            await response.aclose()


def _contents(conversation: Conversation) -> "list[ContentDict]":
    return [
        {"role": "user" if turn.role is Role.USER else "model", "parts": [{"text": turn.content}]}
        for turn in conversation.turns
    ]


def _config(conversation: Conversation) -> "GenerateContentConfigDict":
    config: GenerateContentConfigDict = {
        # Both would send further requests of their own accord; a second attempt is the caller's to decide.
        "automatic_continuation": False,
        "automatic_function_calling": {"disable": True},
    }
    if conversation.instructions:
        config["system_instruction"] = conversation.instructions
    return config


def _read(chunk: "GenerateContentResponse", reason: str | None) -> tuple[str, str | None]:
    """The chunk's text without the model's thoughts, and the finish reason known by now."""
    if not chunk.candidates:
        return "", reason
    candidate = chunk.candidates[0]
    parts = (candidate.content.parts if candidate.content else None) or []
    text = "".join(part.text for part in parts if part.text and not part.thought)
    return text, candidate.finish_reason.value if candidate.finish_reason else reason


def _usage(chunk: "GenerateContentResponse") -> TokenUsage | None:
    """Thoughts are output: they are billed so, and OpenAI's count has them in it too."""
    counts = chunk.usage_metadata
    if counts is None:
        return None
    written = (counts.candidates_token_count or 0) + (counts.thoughts_token_count or 0)
    return TokenUsage(counts.prompt_token_count or 0, written)


@contextmanager
def _translated_errors() -> Iterator[None]:
    import httpx2  # noqa: PLC0415 - as in _new_vendor; all three are loaded by now
    from anyio import EndOfStream  # noqa: PLC0415 - httpx2 lets this one through when a TLS connection is cut
    from google.genai.errors import APIError  # noqa: PLC0415

    try:
        yield
    except APIError as error:
        if isinstance(error.response, httpx2.Response):
            raise _by_status(error) from error
        raise ModelUnavailable("model_interrupted", "gemini broke the answer off.") from error
    except (httpx2.RequestError, EndOfStream, OSError) as error:
        raise ModelUnavailable("model_unavailable", "The connection to gemini failed.") from error
    except _MALFORMED as error:
        raise ModelUnavailable("model_interrupted", "gemini broke the answer off.") from error


def _by_status(error: "APIError") -> ModelFailed:
    said = f"gemini answered with status {error.code}."
    retry_after = _seconds_until(error.response.headers.get("retry-after") or _detail(error, "RetryInfo", "retryDelay"))
    if error.code == TOO_MANY_REQUESTS:
        return ModelUnavailable("model_rate_limited", said, retry_after=retry_after)
    if error.code in _TRANSIENT or error.code >= 500:  # noqa: PLR2004 - the server errors of HTTP
        return ModelUnavailable("model_unavailable", said, retry_after=retry_after)
    # Google answers a wrong key with status 400 and this reason.
    if error.code in _KEY_REJECTED or _detail(error, "ErrorInfo", "reason") == "API_KEY_INVALID":
        return ModelRefused("model_rejected_key", said)
    return ModelRefused("model_rejected_request", said)


def _detail(error: "APIError", kind: str, field: str) -> str | None:
    """A field of one of the typed details in the error's body, which may be anything at all."""
    body: Any = error.details
    try:
        return next(str(detail[field]) for detail in body["error"]["details"] if detail["@type"] == ERROR_TYPES + kind)
    except (KeyError, TypeError, StopIteration):
        return None


def _seconds_until(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After header, a number or a date, or of a retryDelay like `3.5s`. None: neither."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after.removesuffix("s"))
    except ValueError:
        try:
            moment = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
