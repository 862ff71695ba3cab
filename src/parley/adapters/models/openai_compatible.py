"""Models behind the OpenAI chat completions API: OpenAI's own, and the many servers that speak the same format.

Without OpenAI's SDK, which makes a tree of pydantic objects of every chunk and takes 1 ms for a request, together most
of what a worker did, and which fails where servers differ from OpenAI.
"""

import re
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from parley.adapters.models.connection import check_connection_settings
from parley.adapters.models.http_client import ModelServer, Received
from parley.adapters.models.openai_chunks import read_chunk
from parley.adapters.models.sse import read_json
from parley.adapters.models.vendor_model import SYSTEM_REFUSED, VendorModel, instructions_as_turn
from parley.core.chat.model import Conversation

OPENAI_URL = "https://api.openai.com/v1"


class OpenAICompatibleModel(VendorModel[ModelServer]):
    """The `LanguageModel` of one such server. `label` names it in the errors that an account may read.

    `api_key` must not be empty; for a server without authentication, pass any text. `base_url` usually ends with
    `/v1`. With `stream_options` false no request asks for token counts. Raises ValueError for a key, an address or an
    environment with which no request could be sent.
    """

    options: ClassVar = {
        "stream_options": re.compile(r"stream_options|include_usage", re.IGNORECASE),
        "system": SYSTEM_REFUSED,
    }
    wishes: ClassVar = {
        name: re.compile(rf"\b{name}\b") for name in ("temperature", "top_p", "stop", "seed", "max_tokens")
    }

    def __init__(
        self, *, api_key: str, base_url: str = OPENAI_URL, label: str = "openai", stream_options: bool = True
    ) -> None:
        check_connection_settings(api_key=api_key, base_url=base_url)
        super().__init__(label, read_chunk)
        self._without = frozenset[str]() if stream_options else frozenset({"stream_options"})
        self._api_key = api_key
        self._base_url = base_url

    def _new_client(self) -> ModelServer:
        return ModelServer(self._base_url, {"authorization": f"Bearer {self._api_key}"})

    async def _close_client(self, client: ModelServer) -> None:
        await client.close()

    async def _send(
        self, client: ModelServer, model: str, conversation: Conversation, *, without: frozenset[str]
    ) -> Received:
        return await client.send("POST", "/chat/completions", _request(model, conversation, without | self._without))

    async def _list_models(self, client: ModelServer) -> Sequence[str]:
        listed = read_json(await (await client.send("GET", "/models")).read())
        models = listed.get("data") if isinstance(listed, dict) else listed
        return [str(model.get("id")) for model in models if isinstance(model, dict)] if isinstance(models, list) else []


def _request(model: str, conversation: Conversation, without: frozenset[str]) -> bytes:
    if "system" in without:
        conversation = instructions_as_turn(conversation)
    messages = [{"role": turn.role.value, "content": turn.content} for turn in conversation.turns]
    if conversation.instructions:
        messages.insert(0, {"role": "system", "content": conversation.instructions})
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True} | _wishes(conversation, without)
    if "stream_options" not in without:
        body["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(body)


def _wishes(conversation: Conversation, without: frozenset[str]) -> dict[str, Any]:
    options = conversation.options
    wishes = {
        "temperature": options.temperature,
        "top_p": options.top_p,
        "stop": list(options.stop) or None,
        "seed": options.seed,
        # OpenAI's reasoning models reject the first name, which is the only one that most other servers know.
        "max_completion_tokens" if "max_tokens" in without else "max_tokens": options.max_tokens,
    }
    return {name: wish for name, wish in wishes.items() if wish is not None and name not in without}
