"""Secrets that nobody can mistake, and the places where they must not turn up."""

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

TOKENS = ("signup_token", "access_token", "refresh_token")
# Six digits may stand within any of these.
_NUMBERS = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # an id
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?"
    r"|\d+\.\d+"  # seconds
)
_CODE = re.compile(r"\b\d{6}\b")


@dataclass
class Canaries:
    """All that is secret, by what it is; codes are apart, since six digits are too few to be looked for anywhere."""

    words: dict[str, str] = field(default_factory=dict)
    codes: set[str] = field(default_factory=set)

    def word(self, what: str, *, length: int = 0) -> str:
        made = f"canary-{secrets.token_hex(8)}"
        self.words[made] = what
        return made.ljust(length, "x")

    def take(self, answer: httpx.Response) -> None:
        """Remember the tokens and the ticket in an answer."""
        body = _json(answer)
        for name in TOKENS:
            if name in body:
                # A signed token by its signature: no part of a token is to turn up without it.
                self.words[body[name].rpartition(".")[2]] = name
        if "stream_url" in body:
            self.words[body["stream_url"].partition("ticket=")[2].rpartition(".")[2]] = "ticket"

    def found_in(self, text: str, *, but: Iterable[str] = ()) -> dict[str, str]:
        """What is in the text and must not be, with its surroundings; `but` names what may be."""
        words = {word: what for word, what in self.words.items() if what not in but and word in text}
        found = {what: _around(text, text.index(word)) for word, what in words.items()}
        bare = _NUMBERS.sub("", text)
        codes = [match for match in _CODE.finditer(bare) if match[0] in self.codes]
        return found | ({"code": _around(bare, codes[0].start())} if codes else {})


class Tour:
    """Calls operations, and remembers which, what was secret in them, and how they were refused."""

    def __init__(self, client: httpx.AsyncClient, canaries: Canaries, document: dict[str, Any]) -> None:
        self._client, self._canaries = client, canaries
        self._operations = {
            (method.upper(), path): operation
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        self._patterns = {
            (method, path): re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
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

    async def no(self, method: str, path: str, token: str | None = None, **arguments: Any) -> None:
        answer = await self.call(method, path, token, **arguments)
        assert 400 <= answer.status_code < 500, (method, path, answer.text)

    async def repeat(self, calls: list[tuple[str, str, dict[str, Any]]]) -> list[int]:
        """The statuses of the same calls now, a few at a time; 0 for an answer that breaks off."""
        few, calls = asyncio.Semaphore(8), calls[:]

        async def one(method: str, path: str, arguments: dict[str, Any]) -> int:
            async with few:
                try:
                    return (await self.call(method, path, **arguments)).status_code
                except httpx.TransportError:
                    return 0

        statuses = await asyncio.gather(*(one(*call) for call in calls))
        self.calls = calls
        return statuses

    def operations(self, *, but: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Method and path of every operation by its id, but those with some tags."""
        return {
            operation["operationId"]: place
            for place, operation in self._operations.items()
            if not set(operation.get("tags", ())) & set(but)
        }

    def _name(self, method: str, path: str) -> str:
        for place, pattern in self._patterns.items():
            if place[0] == method and pattern.fullmatch(path):
                return str(self._operations[place]["operationId"])
        return ""


@dataclass
class RedisWatch:
    """Every command that Redis gets, with its arguments."""

    commands: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def watching(self, port: int) -> AsyncIterator[None]:
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

    async def heard(self, word: str) -> None:
        """Until the word has come by: then all commands before it have."""
        async with asyncio.timeout(10):
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


def _around(text: str, place: int) -> str:
    return text[max(0, place - 200) : place + 100]
