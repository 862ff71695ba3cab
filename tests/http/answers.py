"""Assertions on responses: problems, headers and server-sent events."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

PROBLEM = "application/problem+json"


def refused(response: httpx.Response, status: int, code: str, *fields: str) -> dict[str, Any]:
    """Assert a problem with this status and code, and with exactly these invalid fields. Returns the problem."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    problem = response.json()
    assert problem["type"] == "about:blank"
    assert problem["title"] == HTTPStatus(status).phrase
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["detail"]
    assert [error["field"] for error in problem.get("errors", [])] == list(fields)
    assert all(error["message"] for error in problem.get("errors", []))
    assert ("www-authenticate" in response.headers) is (status == HTTPStatus.UNAUTHORIZED)
    return problem


async def check_envelope(response: httpx.Response) -> None:
    """Assert the headers that every response has, whatever produced it."""
    headers = response.headers
    assert headers["x-request-id"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-site"
    assert headers["cache-control"]
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "base-uri 'none'" in headers["content-security-policy"]


@dataclass(frozen=True)
class Event:
    id: str
    name: str
    data: dict[str, Any]

    @property
    def place(self) -> tuple[int, int]:
        attempt, _, offset = self.id.partition("-")
        return int(attempt), int(offset)


def events(response: httpx.Response) -> list[Event]:
    """The events of a stream that has ended, without comments."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
    opening, *blocks, rest = response.text.split("\n\n")
    assert opening == "retry: 1000"
    assert rest == ""
    return [read_event(block) for block in blocks if not block.startswith(":")]


def text_of(received: list[Event]) -> str:
    """The text of a reply as a client joins it: each `start` clears the text."""
    text = ""
    for event in received:
        if event.name == "start":
            text = ""
        elif event.name == "delta":
            text += event.data["text"]
    return text


def read_event(block: str) -> Event:
    lines = dict(line.split(": ", 1) for line in block.split("\n"))
    assert list(lines) == ["id", "event", "data"]
    return Event(lines["id"], lines["event"], json.loads(lines["data"]))
