"""A client of responses whose streams are cut at any byte: it knows only whole events."""

import json
from typing import Any

import httpx


class ResponseReader:
    """Goes on behind the last event that it has. `texts` are those of the items by their index, `cuts` is a number."""

    def __init__(self, response_id: str | None = None) -> None:
        self.response_id = response_id
        self.texts: dict[int, str] = {}
        self.kinds: dict[int, str] = {}
        self.closed: list[str] = []
        self.number = -1
        self.final: dict[str, Any] | None = None
        self.cuts = 0

    async def create(self, client: httpx.AsyncClient, url: str, body: dict[str, Any], *, bytes_at_most: int) -> None:
        """Begin a streamed response, of which at least the first event must be read."""
        async with client.stream("POST", f"{url}/v1/responses", json=body | {"stream": True}) as answer:
            await self._read(answer, bytes_at_most)

    async def follow(self, client: httpx.AsyncClient, url: str, *, bytes_at_most: int) -> None:
        query = {"stream": "true"} | ({} if self.number < 0 else {"starting_after": str(self.number)})
        async with client.stream("GET", f"{url}/v1/responses/{self.response_id}", params=query) as answer:
            await self._read(answer, bytes_at_most)

    @property
    def read(self) -> list[tuple[str, str]]:
        """The items that count, as the client has them."""
        assert self.final is not None
        indexes = sorted(self.texts)[len(self.texts) - len(self.final["output"]) :]
        return [(self.kinds[index], self.texts[index]) for index in indexes]

    @property
    def written(self) -> list[tuple[str, str]]:
        """The items of the last event."""
        assert self.final is not None
        return [(item["type"], item["content"][0]["text"]) for item in self.final["output"]]

    async def _read(self, answer: httpx.Response, left: int) -> None:
        assert answer.status_code == 200, await answer.aread()
        unread = b""
        async for chunk in answer.aiter_raw():
            unread += chunk[:left]
            left -= len(chunk)
            *frames, unread = unread.split(b"\n\n")
            for frame in frames:
                self._take(frame)
            if left <= 0:
                break
        self.cuts += self.final is None

    def _take(self, frame: bytes) -> None:
        if frame.startswith(b":"):
            return
        name, data = frame.decode().split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["type"] != "error"
        assert event["sequence_number"] > self.number
        self.number = event["sequence_number"]
        if event["type"] == "response.created":
            self.response_id = event["response"]["id"]
        elif event["type"] == "response.output_item.added":
            assert event["output_index"] not in self.texts
            self.texts[event["output_index"]], self.kinds[event["output_index"]] = "", event["item"]["type"]
        elif event["type"].endswith(".delta"):
            self.texts[event["output_index"]] += event["delta"]
        elif event["type"] == "response.output_item.done":
            self.closed.append(event["item"]["status"])
        elif event["type"] in {"response.completed", "response.incomplete", "response.failed"}:
            self.final = event["response"]
