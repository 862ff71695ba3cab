"""Errors as RFC 9457 problems: nothing else maps errors to HTTP statuses."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from math import ceil
from typing import Annotated, Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.background_tasks import BackgroundTask
from litestar.enums import ParamType
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from structlog.contextvars import bind_contextvars

from parley.adapters.http.auth import NO_TOKEN
from parley.adapters.http.foreign_ids import NOT_FOUND, note_foreign_ids
from parley.adapters.http.loggable_path import loggable_path
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.openapi.operation import header
from parley.adapters.http.ports import HttpPorts
from parley.adapters.http.quota_headers import quota_headers, seconds_until
from parley.adapters.http.server.head import with_head
from parley.core.accounts.errors import AccountSuspended, TokenInvalid
from parley.core.accounts.model import AuditEvent
from parley.core.chat.errors import QuotaExceeded, TooManyPending
from parley.core.chat.tickets import TicketInvalid
from parley.core.errors import DomainError, InvalidInput, Kind, Overloaded, TooManyRequests, Unavailable

log = structlog.get_logger("parley.http")

# A guess: nothing says how long a dependency will be away.
UNAVAILABLE_RETRY_SECONDS = 5
# As replies end at any time; most take a few seconds.
RESERVED_RETRY_SECONDS = 5
MEDIA_TYPE = "application/problem+json"

_STATUS = {
    Kind.INVALID: HTTPStatus.BAD_REQUEST,
    Kind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Kind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Kind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.MISMATCH: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    Kind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}

_CODES_OF_STATUS = {
    400: ("bad_request", "The request could not be understood."),
    401: ("unauthenticated", "Send a valid access token as «Authorization: Bearer …»."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not support the method; the Allow header lists those it supports."),
    413: ("body_too_large", "The body is larger than 1 MB."),
    415: (
        "unsupported_media_type",
        "Send the body as JSON, with «Content-Type: application/json» and without Content-Encoding.",
    ),
    421: (
        "misdirected_request",
        "This server shows one-time codes, so it answers only as localhost unless ALLOW_SHOWN_CODES=1.",
    ),
    426: ("upgrade_required", "This address is a WebSocket: open it with one, as docs/websocket.md shows."),
    500: ("internal_error", "Something went wrong on the server. Its log has the details under the request id."),
}


_RETRY_AFTER = header("Seconds to wait before the next attempt", "30", "[0-9]+")
PROBLEM_HEADERS = {
    "401": {"WWW-Authenticate": header("The authentication scheme to use", "Bearer", "Bearer")},
    "405": {"Allow": header("The methods that the address supports", "GET, OPTIONS", "[A-Z]+(, [A-Z]+)*")},
    "429": {"Retry-After": _RETRY_AFTER},
    "503": {"Retry-After": _RETRY_AFTER},
}


# Litestar names a parameter that is not there only in the message.
_MISSING = re.compile(r"Missing required \w+ parameter '(\w+)'")


class FieldError(msgspec.Struct):
    """One invalid input."""

    field: Annotated[str, described("The name of the body field, query parameter or header", "content")]
    message: Annotated[str, described("Why it is invalid", "must have 1 to 32,000 characters")]


class Problem(msgspec.Struct, kw_only=True):
    """RFC 9457 problem details. `code` is stable: programs should check it instead of `detail`."""

    type: Annotated[str, described("Always `about:blank`: `code` distinguishes problems", "about:blank")] = (
        "about:blank"
    )
    title: Annotated[str, described("The reason phrase of the HTTP status", "Bad Request")]
    status: Annotated[int, described("The HTTP status", 400)]
    detail: Annotated[str, described("An explanation for people", "content: must have 1 to 32,000 characters")]
    code: Annotated[str, described("A stable error code for programs", "invalid_input")]
    errors: Annotated[list[FieldError], described("The invalid inputs")] | msgspec.UnsetType = msgspec.UNSET


# A problem's response in the shape that the clients of another protocol understand.
Shape = Callable[[Response[Problem]], Response[Any]]


def exception_handlers(ports: HttpPorts, shapes: Mapping[str, Shape]) -> dict[type[Exception] | int, Any]:
    """Handlers that turn every exception into a problem, count its code, and note what the audit trail has of it.

    Below a path of `shapes` the problem gets that shape.
    """

    def from_domain_error(request: Request[Any, Any, Any], error: DomainError) -> Response[Problem]:
        if error.kind is Kind.UNAVAILABLE:
            # In the log line of the request.
            bind_contextvars(cause=error.cause)
        response = _response(problem_of(error), problem_headers(error, ports.accounts.now()))
        if isinstance(error, TokenInvalid | TicketInvalid) and error.reason != NO_TOKEN:
            ports.accounts.audit.note(AuditEvent.TOKEN_REFUSED, how=error.reason)
        if isinstance(error, NOT_FOUND):
            response.background = BackgroundTask(note_foreign_ids, request, ports)
        return response

    def counted(handler: Callable[..., Response[Problem]]) -> Callable[..., Response[Any]]:
        def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
            response = handler(request, error)
            ports.meter.refused(response.content.code)
            path = f"{request.scope['path']}/"
            shape = next((shape for start, shape in shapes.items() if path.startswith(f"{start}/")), None)
            return response if shape is None else shape(response)

        return handle

    return {
        DomainError: counted(from_domain_error),
        HTTPException: counted(_from_http_exception),
        Exception: counted(_from_unexpected),
    }


async def refuse_null(request: Request[Any, Any, Any], data: object) -> None:
    """For a body that may be left out: the body null is refused, as everywhere. Raises InvalidInput."""
    if data is None and await request.body():
        raise InvalidInput("body", "a JSON object is required")


def problems(*refusals: int | DomainError, of_account: bool = True) -> dict[int, ResponseSpec]:
    """The problems of an operation, for its `responses`: statuses or example errors.

    500 and 503 are added to all, and 429 to those that require a token `of_account` and so have 401 without an error.
    """
    examples: dict[int, list[Example]] = {}
    limited = (429,) if of_account and 401 in refusals and 429 not in refusals else ()  # noqa: PLR2004
    for refusal in (*refusals, *limited, HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE):
        for problem in problems_of(refusal):
            examples.setdefault(problem.status, []).append(
                Example(summary=problem.code, value=msgspec.to_builtins(problem))
            )
    return {status: _response_spec(status, each) for status, each in examples.items()}


def problems_of(refusal: int | DomainError) -> list[Problem]:
    """Examples of the problem."""
    errors = _USUAL_ERRORS.get(refusal, (refusal,)) if isinstance(refusal, int) else (refusal,)
    return [problem_of_status(error) if isinstance(error, int) else problem_of(error) for error in errors]


UNEXPECTED = Problem(
    title=HTTPStatus.INTERNAL_SERVER_ERROR.phrase,
    status=HTTPStatus.INTERNAL_SERVER_ERROR.value,
    detail=_CODES_OF_STATUS[500][1],
    code=_CODES_OF_STATUS[500][0],
)
# The errors that a status usually stands for in the document.
_USUAL_ERRORS: dict[int, tuple[DomainError, ...]] = {
    400: (InvalidInput("limit", "Expected `int` <= 100"),),
    401: (TokenInvalid(), AccountSuspended()),
    429: (TooManyRequests(30),),
    503: (Unavailable(),),
}


def _response_spec(status: int, examples: list[Example]) -> ResponseSpec:
    codes = " or ".join(f"`{example.summary}`" for example in examples)
    return ResponseSpec(
        Problem,
        generate_examples=False,
        description=f"{HTTPStatus(status).phrase}: {codes}",
        media_type=MEDIA_TYPE,
        examples=examples,
    )


def _from_http_exception(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Litestar's own errors: routing, body size, malformed JSON, wrong types."""
    if isinstance(error, ValidationException):
        missing = _MISSING.match(error.detail)
        errors = [FieldError(missing[1], "is required")] if missing else _field_errors(error.extra)
        detail = "; ".join(f"{each.field}: {each.message}" for each in errors)
        return _response(_problem(HTTPStatus.BAD_REQUEST, "invalid_input", detail, errors))
    if error.status_code == HTTPStatus.BAD_REQUEST:
        return _malformed_json("The body is not well-formed JSON in UTF-8.")
    if isinstance(error, InternalServerException):
        # Litestar raises it for a body that ends too early: the client has disconnected, and the response is not sent.
        return _response(_problem(HTTPStatus.BAD_REQUEST, "client_disconnected", "The request was not completed."))
    headers = dict(error.headers or {})
    if "allow" in headers:
        # A WebSocket is no method.
        headers["allow"] = with_head(method for method in headers["allow"].split(", ") if method.isupper())
    return _response(problem_of_status(error.status_code), headers)


def _from_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    if isinstance(error, RecursionError):
        return _malformed_json("The body is nested too deeply.")
    if isinstance(error, UnicodeDecodeError):
        # msgspec raises it for a JSON string that is not UTF-8; Litestar catches only msgspec's other errors.
        return _malformed_json("The body is not well-formed JSON in UTF-8.")
    log.error("request_crashed", path=loggable_path(request.scope), exc_info=error)
    return _response(problem_of_status(HTTPStatus.INTERNAL_SERVER_ERROR))


def _malformed_json(detail: str) -> Response[Problem]:
    return _response(_problem(HTTPStatus.BAD_REQUEST, "malformed_json", detail))


def problem_of(error: DomainError) -> Problem:
    """The problem that stands for the error."""
    errors = [FieldError(error.field, error.message)] if isinstance(error, InvalidInput) else msgspec.UNSET
    return _problem(_STATUS[error.kind], error.code, error.detail, errors)


def problem_of_status(status: int) -> Problem:
    """The problem of an error that has nothing but a status."""
    code, detail = _CODES_OF_STATUS.get(status, _CODES_OF_STATUS[400])
    return _problem(HTTPStatus(status), code, detail)


def _problem(
    status: HTTPStatus, code: str, detail: str, errors: list[FieldError] | msgspec.UnsetType = msgspec.UNSET
) -> Problem:
    return Problem(title=status.phrase, status=status.value, detail=detail, code=code, errors=errors)


def _response(problem: Problem, headers: Mapping[str, str] | None = None) -> Response[Problem]:
    return Response(problem, status_code=problem.status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def problem_headers(error: DomainError, now: datetime) -> Mapping[str, str]:
    """What the response with the problem says besides it."""
    headers: dict[str, str] = {}
    if isinstance(error, QuotaExceeded | TooManyPending):
        headers |= quota_headers(error.allowance, now)
    if isinstance(error, QuotaExceeded):
        seconds = RESERVED_RETRY_SECONDS if error.retry_at is None else seconds_until(error.retry_at, now)
        headers["Retry-After"] = str(seconds)
    if isinstance(error, TooManyPending | TooManyRequests | Overloaded):
        headers["Retry-After"] = str(max(1, ceil(error.retry_after)))
    elif error.kind is Kind.UNAVAILABLE:
        headers["Retry-After"] = str(UNAVAILABLE_RETRY_SECONDS)
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _field_errors(extra: Any) -> list[FieldError]:
    found = []
    for each in extra if isinstance(extra, list) else ():
        field, message = str(each.get("key", "body")), str(each.get("message", "is not valid"))
        if each.get("source") == ParamType.HEADER:
            # Litestar gives the argument's name: idempotency_key for Idempotency-Key.
            field = field.replace("_", "-").title()
        found.append(FieldError(*_field_and_message(message, field)))
    return found or [FieldError("body", "is not valid")]


def _field_and_message(message: str, field: str) -> tuple[str, str]:
    """msgspec names a missing or unknown field only in its message, and Litestar calls the body `data`."""
    if "unknown field" in message or "missing required field" in message:
        name = message.partition("`")[2].rpartition("`")[0]
        path = name if field in ("data", "body") else f"{field}.{name}"
        return path, "is not a known field" if "unknown" in message else "is required"
    if field == "data":
        return "body", "a JSON object is required" if message == "'data'" else message
    return field, message
