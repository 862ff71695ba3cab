"""Google's Gemini models, by the Gemini Developer API.

The SDK makes and sends the request. The answer is read here: the SDK's reader fails on a byte order mark, a comment, an
event without a space, and on any field that its types do not foresee.
"""

import re
from collections.abc import Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from parley.adapters.models.connection import check_connection_settings, client_options
from parley.adapters.models.gemini_chunks import read_chunk
from parley.adapters.models.vendor_model import SYSTEM_REFUSED, VendorModel, instructions_as_turn
from parley.core.chat.model import Conversation, Role

if TYPE_CHECKING:
    import httpx2
    from google.genai import Client
    from google.genai.types import ContentDict, GenerateContentConfigDict

GEMINI_URL = "https://generativelanguage.googleapis.com"
KEPT_CONNECTIONS = 100
PAGE = 1000

_taken: "ContextVar[list[httpx2.Response] | None]" = ContextVar("_taken", default=None)


class _Vendor(NamedTuple):
    """The SDK's client, and the HTTP client under it, which the SDK leaves to us to close."""

    sdk: "Client"
    http: "httpx2.AsyncClient"


class GeminiModel(VendorModel[_Vendor]):
    """The `LanguageModel` of the Gemini API at `base_url`.

    `api_key` must not be empty. Raises ValueError for a key, an address or an environment with which no request could
    be sent.
    """

    options: ClassVar = {
        "thinking": re.compile(r"thinking|thought", re.IGNORECASE),
        "system": SYSTEM_REFUSED,
    }
    wishes: ClassVar = {
        "temperature": re.compile("temperature"),
        "top_p": re.compile("top_?p", re.IGNORECASE),
        "stop_sequences": re.compile("stop_?sequences", re.IGNORECASE),
        "seed": re.compile("seed"),
        "max_output_tokens": re.compile("max_?output_?tokens", re.IGNORECASE),
    }

    def __init__(self, *, api_key: str, base_url: str = GEMINI_URL, api_version: str = "v1beta") -> None:
        check_connection_settings(api_key=api_key, base_url=base_url)
        super().__init__("gemini", read_chunk)
        self._api_key = api_key
        self._base_url = base_url
        self._api_version = api_version

    def _new_client(self) -> _Vendor:
        import httpx2  # noqa: PLC0415 - comes with the SDK
        from google.genai import Client  # noqa: PLC0415 - the SDK is slow to import and maybe never used
        from google.genai.types import HttpOptions  # noqa: PLC0415

        options = client_options({"x-goog-api-key": self._api_key})
        options["event_hooks"]["response"].append(_take_response)
        # A client of our own: else the SDK uses aiohttp wherever that is installed, whose timeout is a total.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=KEPT_CONNECTIONS)
        http = httpx2.AsyncClient(limits=limits, **options)
        http_options = HttpOptions(base_url=self._base_url, api_version=self._api_version, httpx_async_client=http)
        # `enterprise` is said, so that an environment made for Google's other API does not redirect this one.
        return _Vendor(Client(api_key=self._api_key, enterprise=False, http_options=http_options), http)

    async def _close_client(self, client: _Vendor) -> None:
        await client.sdk.aio.aclose()
        client.sdk.close()
        await client.http.aclose()

    async def _send(
        self, client: _Vendor, model: str, conversation: Conversation, *, without: frozenset[str]
    ) -> "httpx2.Response":
        if "system" in without:
            conversation = instructions_as_turn(conversation)
        stream = await client.sdk.aio.models.generate_content_stream(
            model=model, contents=_contents(conversation), config=_config(conversation, without)
        )
        taken: list[httpx2.Response] = []
        token = _taken.set(taken)
        try:
            # The SDK sends the request when it is asked for the first chunk. It is given an empty answer.
            await anext(stream, None)
        except BaseException:
            for response in taken:
                await response.aclose()
            raise
        finally:
            _taken.reset(token)
        return taken[0]

    async def _list_models(self, client: _Vendor) -> Sequence[str]:
        models = await client.sdk.aio.models.list(config={"page_size": PAGE})
        return [(model.name or "").removeprefix("models/") async for model in models]


async def _take_response(response: "httpx2.Response") -> None:
    """Keep the answer to a request for a reply from the SDK, which would read it by its own rules."""
    import httpx2  # noqa: PLC0415 - loaded by now

    taken = _taken.get()
    if taken is not None:
        taken.append(httpx2.Response(200, headers=response.headers, stream=response.stream, request=response.request))
        response.stream, response.status_code = httpx2.ByteStream(b""), 200


def _contents(conversation: Conversation) -> "list[ContentDict]":
    return [
        {"role": "user" if turn.role is Role.USER else "model", "parts": [{"text": turn.content}]}
        for turn in conversation.turns
    ]


def _config(conversation: Conversation, without: frozenset[str]) -> "GenerateContentConfigDict":
    config: GenerateContentConfigDict = {
        # Both would send further requests of their own accord; a second attempt is the caller's to decide.
        "automatic_continuation": False,
        "automatic_function_calling": {"disable": True},
    }
    if "thinking" not in without:
        config["thinking_config"] = {"include_thoughts": True}
    if conversation.instructions:
        config["system_instruction"] = conversation.instructions
    options = conversation.options
    if options.temperature is not None and "temperature" not in without:
        config["temperature"] = options.temperature
    if options.top_p is not None and "top_p" not in without:
        config["top_p"] = options.top_p
    if options.stop and "stop_sequences" not in without:
        config["stop_sequences"] = list(options.stop)
    if options.seed is not None and "seed" not in without:
        config["seed"] = options.seed
    if options.max_tokens is not None and "max_output_tokens" not in without:
        config["max_output_tokens"] = options.max_tokens
    return config
