"""Assertions on responses: problems, headers and server-sent events."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

PROBLEM = "application/problem+json"
OPENAI_CODES = {"token_invalid": "invalid_api_key", "api_key_invalid": "invalid_api_key"}


def refused(response: httpx.Response, status: int, code: str, *fields: str) -> dict[str, Any]:
    """Assert a problem with this status and code, and with exactly these invalid fields. Returns the problem.

    Below /v1, assert the same in OpenAI's shape, and below /api/chat that there is a sentence.
    """
    assert response.status_code == status, response.text
    if response.request.url.path.startswith("/api/chat"):
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.text
        return {}
    if response.request.url.path.startswith("/v1/"):
        return refused_as_openai_does(response, OPENAI_CODES.get(code, code), *fields)
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


def refused_as_openai_does(response: httpx.Response, code: str, param: str | None = None) -> dict[str, Any]:
    """Assert an error in OpenAI's shape with this code and parameter. Returns the error."""
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error"}
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["code"], error["param"]) == (code, param)
    assert error["message"]
    assert error["type"]
    assert ("www-authenticate" in response.headers) is (response.status_code == HTTPStatus.UNAUTHORIZED)
    return error


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
