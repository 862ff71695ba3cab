"""A reader of server-sent events that resumes after the last one, as a browser's EventSource does."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass(frozen=True)
class Event:
    id: str
    name: str
    data: dict[str, Any]


@dataclass
class Reader:
    """The text and reasoning of a reply as a client shows them, over any number of connections."""

    text: str = ""
    reasoning: str = ""
    last_id: str | None = None
    final: Event | None = None
    seen: list[Event] = field(default_factory=list)

    def take(self, event: Event) -> None:
        assert event.id != self.last_id, "an event came twice"
        self.seen.append(event)
        self.last_id = event.id
        if event.name == "start":
            self.text = self.reasoning = ""
        elif event.name == "reasoning":
            self.reasoning += event.data["text"]
        elif event.name == "delta":
            self.text += event.data["text"]
        else:
            self.final = event

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.last_id is None else {"Last-Event-ID": self.last_id}

    async def follow(self, client: httpx.AsyncClient, url: str, *, bytes_at_most: int | None = None) -> None:
        """Read until the stream ends, or cut the connection after some bytes."""
        async with client.stream("GET", url, headers=self.headers) as response:
            response.raise_for_status()
            async for event in events(response.aiter_bytes(), bytes_at_most):
                self.take(event)


async def events(chunks: AsyncIterator[bytes], bytes_at_most: int | None = None) -> AsyncIterator[Event]:
    """The complete events; an incomplete one at the cut is dropped."""
    buffer, left = b"", bytes_at_most
    async for chunk in chunks:
        buffer += chunk if left is None else chunk[:left]
        while b"\n\n" in buffer:
            block, _, buffer = buffer.partition(b"\n\n")
            event = _parsed(block.decode())
            if event is not None:
                yield event
        if left is not None:
            left -= len(chunk)
            if left <= 0:
                return


def _parsed(block: str) -> Event | None:
    fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
    return Event(fields["id"], fields["event"], json.loads(fields["data"])) if "event" in fields else None
