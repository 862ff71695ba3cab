"""Recognizable secrets, and the output in which they must not appear."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from redis.asyncio import Redis

TOKENS = ("signup_token", "access_token", "refresh_token", "key")
# Any of these may contain six digits that are not a code.
_NUMBERS = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # an id
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?"
    r"|\d+\.\d+"  # seconds
)
_CODE = re.compile(r"\b\d{6}\b")


@dataclass
class Canaries:
    """Every secret with its kind. Codes are searched for separately, since other numbers may contain six digits."""

    words: dict[str, str] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)

    def new(self, what: str, *, length: int = 0) -> str:
        secret = f"canary-{secrets.token_hex(8)}"
        self.words[secret] = what
        return secret.ljust(length, "x")

    def take(self, answer: httpx.Response) -> None:
        """Remember the tokens, the ticket and the secret part of an address in a response."""
        body = _json(answer)
        for name in TOKENS:
            if name in body:
                # Only the signature of a signed token, without which the rest is worthless.
                self.words[body[name].rpartition(".")[2]] = name
        if "stream_url" in body:
            self.words[body["stream_url"].partition("ticket=")[2].rpartition(".")[2]] = "ticket"
        if "/shared/" in body.get("url", ""):
            self.words[body["url"].partition("/shared/")[2]] = "address of a shared copy"

    def found_in(self, text: str, *, allowed: Iterable[str] = ()) -> dict[str, str]:
        """The secrets that appear in the text, with their surroundings, except the kinds that are allowed."""
        words = {word: what for word, what in self.words.items() if what not in allowed and word in text}
        found = {what: _around(text, text.index(word)) for word, what in words.items()}
        bare = _NUMBERS.sub("", text)
        codes = [match for match in _CODE.finditer(bare) if match[0] in self.codes]
        return found | ({"code": _around(bare, codes[0].start())} if codes else {})


def _parameter(found: re.Match[str]) -> str:
    """A pattern for the values of a path's parameter: names of models have a slash."""
    return ".+" if "model" in found[0] else "[^/]+"


class ApiRecorder:
    """Calls operations and records which ones, their secrets, and the refusals."""

    def __init__(self, client: httpx.AsyncClient, canaries: Canaries, document: dict[str, Any]) -> None:
        self._client, self._canaries = client, canaries
        self._operations = {
            (method.upper(), path): operation
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        self._patterns = {
            (method, path): re.compile(re.sub(r"\\\{\w+\\\}", _parameter, re.escape(path)))
            for method, path in self._operations
        }
        self.succeeded: set[str] = set()
        self.refused: set[str] = set()
        self.problems: list[str] = []
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    async def call(self, method: str, path: str, token: str | None = None, **arguments: Any) -> httpx.Response:
        if token is not None:
            arguments["headers"] = {"Authorization": f"Bearer {token}"} | arguments.get("headers", {})
        answer = await self._client.request(method, path, **arguments)
        self._canaries.take(answer)
        self.calls.append((method, path, arguments))
        (self.succeeded if answer.is_success else self.refused).add(self._name(method, answer.request.url.path))
        if not answer.is_success:
            self.problems.append(f"{answer.headers} {answer.text}")
        return answer

    async def ok(self, method: str, path: str, token: str | None = None, **arguments: Any) -> Any:
        answer = await self.call(method, path, token, **arguments)
        assert answer.is_success, (method, path, answer.text)
        return _json(answer)

    async def refused_call(self, method: str, path: str, token: str | None = None, **arguments: Any) -> None:
        answer = await self.call(method, path, token, **arguments)
        assert 400 <= answer.status_code < 500, (method, path, answer.text)

    async def repeat(self, calls: list[tuple[str, str, dict[str, Any]]]) -> list[int]:
        """The statuses of the same calls now, a few at a time; 0 for a response that was cut off."""
        limit, calls = asyncio.Semaphore(8), calls[:]

        async def one(method: str, path: str, arguments: dict[str, Any]) -> int:
            async with limit:
                try:
                    return (await self.call(method, path, **arguments)).status_code
                except httpx.TransportError:
                    return 0

        statuses = await asyncio.gather(*(one(*call) for call in calls))
        self.calls = calls
        return statuses

    def operations(self, *, without_tags: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Method and path of every operation by its id, except those with one of the tags."""
        return {
            operation["operationId"]: method_and_path
            for method_and_path, operation in self._operations.items()
            if not set(operation.get("tags", ())) & set(without_tags)
        }

    def _name(self, method: str, path: str) -> str:
        for (known_method, template), pattern in self._patterns.items():
            if known_method == method and pattern.fullmatch(path):
                return str(self._operations[known_method, template]["operationId"])
        return ""


@dataclass
class RedisMonitor:
    """Records every command that Redis receives, with its arguments."""

    commands: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def running(self, port: int) -> AsyncIterator[None]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**26)
        writer.write(b"MONITOR\r\n")
        assert await reader.readline() == b"+OK\r\n"
        copying = asyncio.create_task(self._copy(reader))
        try:
            yield
        finally:
            copying.cancel()
            with suppress(asyncio.CancelledError):
                await copying
            writer.close()

    async def _copy(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self.commands.append(line.decode("latin-1"))

    async def wait_for(self, word: str) -> None:
        """Wait for a command with the word, after which all earlier commands are recorded."""
        async with asyncio.timeout(60):
            while not any(word in command for command in self.commands):
                await asyncio.sleep(0.01)


async def all_values(redis: Redis) -> str:
    """Every key with its value, as text."""
    readers: dict[bytes, Callable[[bytes], Awaitable[Any]]] = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1, withscores=True),
        b"stream": redis.xrange,
    }
    return "\n".join([f"{key} {await readers[await redis.type(key)](key)}" async for key in redis.scan_iter("*")])


def _json(answer: httpx.Response) -> dict[str, Any]:
    with suppress(json.JSONDecodeError, UnicodeDecodeError):
        body = json.loads(answer.content)
        return body if isinstance(body, dict) else {}
    return {}


def _around(text: str, index: int) -> str:
    return text[max(0, index - 200) : index + 100]
