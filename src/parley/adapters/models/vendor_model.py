"""What the adapters of all vendors share: asking, reading, translating errors, learning what a model does not take."""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import replace
from typing import ClassVar, Generic, Protocol

from parley.adapters.models.answer import Answer, ReadChunk
from parley.adapters.models.connection import Client, OnDemand
from parley.adapters.models.vendor_errors import VendorError, connection_failure, logged_failures, model_failure
from parley.core.chat.errors import ModelFailed, ModelRefused, ModelUnavailable
from parley.core.chat.language_model import ModelEvent, SignOfLife
from parley.core.chat.model import Conversation, Role, Turn

# How long the token counts may come after the finish reason, and the end of the connection after [DONE].
AFTER_FINISH_SECONDS = 5.0
DRAIN_SECONDS = 0.1
CHECK_SECONDS = 10.0
LISTED = 5

# How servers say that they take no system message, each in words of their own.
SYSTEM_REFUSED = re.compile(
    r"system[ _.]?(role|message|prompt|instruction)|role\W.{0,40}\bsystem\b|['\"`]system['\"`]|developer instruction"
    r"|roles must alternate",
    re.IGNORECASE,
)
_NO_SUCH_PARAMETER = frozenset({400, 422})


class Response(Protocol):
    """As httpx2's."""

    def aiter_bytes(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives, decompressed."""

    async def aclose(self) -> None:
        """Close the connection, unless the body was read to its end."""


class VendorModel(ABC, Generic[Client]):
    """A `LanguageModel` behind HTTP. Nothing is imported or connected before the first request."""

    # Optional request features that some models reject, each with the pattern of its rejection.
    options: ClassVar[Mapping[str, re.Pattern[str]]]
    # The same for ModelOptions. A rejection may be of one value only, so it is not remembered.
    wishes: ClassVar[Mapping[str, re.Pattern[str]]]

    def __init__(self, label: str, read_chunk: ReadChunk) -> None:
        self._label = label
        self._read_chunk = read_chunk
        self._client = OnDemand(label, self._new_client)
        self._refused: dict[str, frozenset[str]] = {}

    @abstractmethod
    def _new_client(self) -> Client: ...

    @abstractmethod
    async def _close_client(self, client: Client) -> None: ...

    @abstractmethod
    async def _send(
        self, client: Client, model: str, conversation: Conversation, *, without: frozenset[str]
    ) -> Response:
        """The response with status 200, its body unread. The request has none of the options in `without`.

        Raises VendorError for every other status.
        """

    @abstractmethod
    async def _list_models(self, client: Client) -> Sequence[str]: ...

    async def reply(self, model: str, conversation: Conversation) -> AsyncGenerator[ModelEvent, None]:
        answer = Answer(self._label, self._read_chunk)
        with logged_failures(self._label, model), self._our_errors(answer):
            response = await self._ask(model, conversation)
            async with aclosing(self._bytes(response)) as received:
                while not answer.done and (data := await self._next(received, answer)) is not None:
                    silent, counts = True, answer.counts
                    for event in answer.read(data):
                        silent = False
                        yield event
                    if answer.counts != counts:
                        yield SignOfLife(answer.usage)
                    elif silent:
                        yield SignOfLife()
                for event in answer.read(None):
                    yield event
                rest = list(answer.rest())
                await _drain(received)
            for event in rest:
                yield event

    async def check(self, models: Sequence[str]) -> str:
        listed = await self._listed()
        if listed is None:
            return f"{self._label} answers, but lists no models."
        missing = [model for model in models if model not in listed and f"{model}:latest" not in listed]
        if missing:
            known = ", ".join(listed[:LISTED]) + (", …" if len(listed) > LISTED else "")
            detail = f"{self._label} does not list {', '.join(missing)}."
            raise ModelRefused("model_not_found", detail, cause=f"{detail} It lists {known or 'none'}.")
        return f"{self._label} answers and lists {len(listed)} models."

    async def _listed(self) -> Sequence[str] | None:
        """The provider's models, or None if it has no such list. Raises ModelFailed."""
        client = await self._client.get()
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                return await self._list_models(client)
        except TimeoutError as error:
            detail = f"{self._label} did not answer within {CHECK_SECONDS:g} s."
            raise ModelUnavailable("model_timeout", detail, cause=detail) from error
        except VendorError as error:
            if error.status == 404:  # noqa: PLR2004 - many servers have no such list
                return None
            raise model_failure(self._label, error) from error
        except self._connection_errors() as error:
            raise connection_failure(self._label, error) from error
        except ValueError as error:
            detail = f"{self._label} does not answer like a model server."
            raise ModelRefused("model_rejected_request", detail, cause="The list of models is no JSON.") from error

    async def close(self) -> None:
        """Close the connections to the server. A later reply opens new ones."""
        client = self._client.take()
        if client is not None:
            await self._close_client(client)

    async def _ask(self, model: str, conversation: Conversation) -> Response:
        """Ask without what this model refused before, and once more without what it refuses now.

        So a wish that it does not take is dropped.
        """
        client = await self._client.get()
        without = self._refused.get(model, frozenset())
        while True:
            try:
                response = await self._send(client, model, conversation, without=without)
            except VendorError as error:
                refused = self._named(error) - without
                if not refused:
                    raise
                without |= refused
            except self._connection_errors() as error:
                raise connection_failure(self._label, error) from error
            else:
                self._refused[model] = without - self.wishes.keys()
                return response

    def _named(self, error: VendorError) -> frozenset[str]:
        if error.status not in _NO_SUCH_PARAMETER:
            return frozenset()
        patterns = {**self.options, **self.wishes}
        return frozenset(name for name, words in patterns.items() if words.search(error.words))

    @contextmanager
    def _our_errors(self, answer: Answer) -> Iterator[None]:
        """Every failure of a reply as a ModelFailed with what the attempt cost."""
        try:
            yield
        except VendorError as error:
            raise model_failure(self._label, error, usage=answer.usage) from error
        except ModelFailed as failed:
            failed.usage = answer.usage
            raise
        except ValueError as error:
            detail, cause = f"{self._label} broke the answer off.", type(error).__name__
            raise ModelUnavailable("model_interrupted", detail, usage=answer.usage, cause=cause) from error

    async def _bytes(self, response: Response) -> AsyncGenerator[bytes, None]:
        """The bytes of the answer. Closing this closes the connection unless the answer was read to its end."""
        try:
            async with aclosing(response), aclosing(response.aiter_bytes()) as received:
                async for data in received:
                    yield data
        except self._connection_errors() as error:
            raise connection_failure(self._label, error) from error

    async def _next(self, received: AsyncGenerator[bytes, None], answer: Answer) -> bytes | None:
        """The next bytes, or None at their end. After a finish reason any end will do, and it may not take long."""
        if not answer.ended:
            return await anext(received, None)
        if answer.given_up_at is None:
            answer.given_up_at = asyncio.get_running_loop().time() + AFTER_FINISH_SECONDS
        with suppress(TimeoutError, ModelUnavailable):
            async with asyncio.timeout_at(answer.given_up_at):
                return await anext(received, None)
        return None

    def _connection_errors(self) -> tuple[type[Exception], ...]:
        """What the HTTP clients raise. Imported here because they come with the SDKs, which may never be used."""
        from aiohttp import ClientError  # noqa: PLC0415
        from anyio import EndOfStream  # noqa: PLC0415 - httpx2 lets this one through when a TLS connection is cut
        from httpx2 import RequestError  # noqa: PLC0415

        return RequestError, ClientError, EndOfStream, OSError


def instructions_as_turn(conversation: Conversation) -> Conversation:
    """The same for a model that takes no instructions: they begin the first turn, so that the roles still alternate."""
    if not conversation.instructions:
        return conversation
    first, *rest = conversation.turns
    if first.role is not Role.USER:
        return replace(
            conversation, instructions=None, turns=(Turn(Role.USER, conversation.instructions), first, *rest)
        )
    instructed = Turn(Role.USER, f"{conversation.instructions}\n\n{first.content}")
    return replace(conversation, instructions=None, turns=(instructed, *rest))


async def _drain(received: AsyncGenerator[bytes, None]) -> None:
    """Read what follows the answer, so that the connection can serve the next reply. Whatever comes is no matter."""
    with suppress(TimeoutError, ModelUnavailable):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for _ in received:
                pass
