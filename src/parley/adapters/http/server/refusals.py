"""Responses of the server itself, for requests that the application never sees."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import httptools

from parley.adapters.http.errors import MEDIA_TYPE
from parley.adapters.http.server.security_headers import DEFAULT_HEADERS, Header


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem with which the server closes the connection."""

    status: HTTPStatus
    code: str
    detail: str
    headers: Sequence[Header] = ()


MALFORMED = Refusal(HTTPStatus.BAD_REQUEST, "malformed_request", "This is not a well-formed HTTP request.")
UNKNOWN_METHOD = Refusal(
    HTTPStatus.METHOD_NOT_ALLOWED,
    "method_not_allowed",
    "No address has this method.",
    ((b"allow", b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"),),
)
ADDRESS_TOO_LONG = Refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "address_too_long", "The address is longer than 16 kB.")
HEAD_TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", "The request's head is larger than 64 kB."
)
TOO_SLOW = Refusal(
    HTTPStatus.REQUEST_TIMEOUT,
    "request_timeout",
    "The request did not arrive in time: its head in 10 s, its body in 30 s.",
)
TOO_MANY_CONNECTIONS = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too_many_connections",
    "There are too many open connections. Try again in a moment.",
    ((b"retry-after", b"5"),),
)


class RequestRefused(Exception):
    """Raised inside a callback of the parser."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def refusal_of(error: httptools.HttpParserError) -> Refusal:
    """The refusal for an error of the parser."""
    if isinstance(error.__context__, RequestRefused):
        return error.__context__.refusal
    return UNKNOWN_METHOD if isinstance(error, httptools.HttpParserInvalidMethodError) else MALFORMED


def response(
    refusal: Refusal, request_id: str, security_headers: Sequence[Header], default_headers: Sequence[Header] = ()
) -> bytes:
    """The whole response, with the same headers as one of the application. It ends the connection."""
    status = refusal.status
    body = json.dumps(
        {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": refusal.detail,
            "code": refusal.code,
        }
    ).encode()
    headers = [
        *default_headers,
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        (b"x-request-id", request_id.encode()),
        *refusal.headers,
        *security_headers,
        *DEFAULT_HEADERS,
    ]
    head = b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode())
    return b"".join([head, *(b"%s: %s\r\n" % header for header in headers), b"\r\n", body])
