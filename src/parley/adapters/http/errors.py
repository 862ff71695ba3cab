"""Every refusal as an RFC 9457 problem: the one place that gives errors a status."""

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from math import ceil
from typing import Annotated, Any, cast

import msgspec
import structlog
from litestar import Request, Response
from litestar.enums import ParamType
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example

from parley.adapters.http.loggable_path import loggable_path
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.quota_headers import quota_headers, seconds_until
from parley.core.accounts.errors import TokenInvalid
from parley.core.chat.errors import QuotaExceeded, TooManyPending
from parley.core.errors import DomainError, InvalidInput, Kind, TooManyRequests, Unavailable
from parley.core.ports import Clock

log = structlog.get_logger("parley.http")

MEDIA_TYPE = "application/problem+json"

_STATUS = {
    Kind.INVALID: HTTPStatus.BAD_REQUEST,
    Kind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Kind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.MISMATCH: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    Kind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}

_OF_STATUS = {
    400: ("bad_request", "The request could not be understood."),
    401: ("unauthenticated", "Send a valid access token as «Authorization: Bearer …»."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not know the method; the Allow header lists those it does."),
    413: ("body_too_large", "The body is larger than 1 MB."),
    415: ("unsupported_media_type", "Send the body as JSON, with «Content-Type: application/json»."),
    500: ("internal_error", "Something went wrong here. The request id finds it in the server's log."),
}


class FieldError(msgspec.Struct):
    """One wrong input. `field` is spelt as the client sent it; a header or a query parameter goes by its name."""

    field: Annotated[str, described("Which input", "content")]
    message: Annotated[str, described("What is wrong with it", "must have 1 to 32,000 characters")]


class Problem(msgspec.Struct, kw_only=True):
    """RFC 9457 problem details. `code` is stable: write programs against it, not against `detail`."""

    type: Annotated[str, described("Always `about:blank`: `code` tells problems apart", "about:blank")] = "about:blank"
    title: Annotated[str, described("The status in words", "Bad Request")]
    status: Annotated[int, described("The HTTP status", 400)]
    detail: Annotated[
        str, described("What is wrong, for a person to read", "content: must have 1 to 32,000 characters")
    ]
    code: Annotated[str, described("What is wrong, for programs", "invalid_input")]
    errors: Annotated[list[FieldError], described("Each input that is wrong")] | msgspec.UnsetType = msgspec.UNSET


def exception_handlers(now: Clock, refused: Callable[[str], None]) -> dict[type[Exception] | int, Any]:
    """What turns anything raised into a problem and tells `refused` its code; `now` is for the quota headers."""

    def from_domain_error(_: Request[Any, Any, Any], error: DomainError) -> Response[Problem]:
        errors = [FieldError(error.field, error.message)] if isinstance(error, InvalidInput) else msgspec.UNSET
        return _response(_STATUS[error.kind], error.code, error.detail, headers=_headers(error, now()), errors=errors)

    def counted(handler: Callable[..., Response[Problem]]) -> Callable[..., Response[Problem]]:
        def handle(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
            response = handler(request, error)
            refused(response.content.code)
            return response

        return handle

    return {
        DomainError: counted(from_domain_error),
        HTTPException: counted(from_http_exception),
        Exception: counted(from_anything_else),
    }


def from_http_exception(_: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """Litestar's own refusals: routing, body size, malformed JSON, wrong types."""
    code, detail = _OF_STATUS.get(error.status_code, _OF_STATUS[400])
    if isinstance(error, ValidationException):
        errors = _field_errors(error.extra)
        detail = "; ".join(f"{each.field}: {each.message}" for each in errors)
        return _response(HTTPStatus.BAD_REQUEST, "invalid_input", detail, errors=errors)
    if error.status_code == HTTPStatus.BAD_REQUEST:
        code, detail = "malformed_json", "The body is not well-formed JSON in UTF-8."
    return _response(HTTPStatus(error.status_code), code, detail, headers=error.headers or {})


def from_anything_else(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    if isinstance(error, RecursionError):
        return _response(HTTPStatus.BAD_REQUEST, "malformed_json", "The body is nested too deeply.")
    if isinstance(error, UnicodeDecodeError):
        # msgspec's word for a JSON string that is not UTF-8; Litestar catches only its other errors.
        return from_http_exception(request, HTTPException(status_code=HTTPStatus.BAD_REQUEST))
    log.error("request_crashed", path=loggable_path(request.scope), exc_info=error)
    return _response(HTTPStatus.INTERNAL_SERVER_ERROR, *_OF_STATUS[500])


def documented(*refusals: int | DomainError) -> dict[int, ResponseSpec]:
    """What an operation can refuse with, for the OpenAPI document: a status, or the very error. 5xx is understood."""
    shown: dict[int, list[Example]] = {}
    for refusal in (*refusals, HTTPStatus.INTERNAL_SERVER_ERROR, Unavailable()):
        problem = _shown(refusal)
        shown.setdefault(problem.status, []).append(Example(summary=problem.code, value=msgspec.to_builtins(problem)))
    return {status: _documented(status, examples) for status, examples in shown.items()}


def _documented(status: int, examples: list[Example]) -> ResponseSpec:
    codes = " or ".join(f"`{example.summary}`" for example in examples)
    return ResponseSpec(
        Problem,
        generate_examples=False,
        description=f"{HTTPStatus(status).phrase}: {codes}",
        media_type=MEDIA_TYPE,
        examples=examples,
    )


def _shown(refusal: int | DomainError) -> Problem:
    usual = _USUAL.get(refusal) if isinstance(refusal, int) else refusal
    if usual is None:
        status = HTTPStatus(cast("int", refusal))
        code, detail = _OF_STATUS[status]
        return Problem(title=status.phrase, status=status.value, detail=detail, code=code)
    status = _STATUS[usual.kind]
    errors = [FieldError(usual.field, usual.message)] if isinstance(usual, InvalidInput) else msgspec.UNSET
    return Problem(title=status.phrase, status=status.value, detail=usual.detail, code=usual.code, errors=errors)


_USUAL: dict[int, DomainError] = {
    400: InvalidInput("limit", "Expected `int` <= 100"),
    401: TokenInvalid(),
    429: TooManyRequests(30),
}


def _headers(error: DomainError, now: datetime) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    if isinstance(error, QuotaExceeded | TooManyPending):
        headers |= quota_headers(error.allowance, now)
    if isinstance(error, QuotaExceeded):
        headers["Retry-After"] = str(seconds_until(error.allowance, now))
    if isinstance(error, TooManyPending | TooManyRequests):
        headers["Retry-After"] = str(max(1, ceil(error.retry_after)))
    if error.kind is Kind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def _field_errors(extra: Any) -> list[FieldError]:
    found = []
    for each in extra if isinstance(extra, list) else ():
        field, message = str(each.get("key", "body")), str(each.get("message", "is not valid"))
        if each.get("source") == ParamType.HEADER:
            # Litestar names the argument: idempotency_key for Idempotency-Key.
            field = field.replace("_", "-").title()
        found.append(FieldError(*_named_in(message, field)))
    return found or [FieldError("body", "is not valid")]


def _named_in(message: str, field: str) -> tuple[str, str]:
    """msgspec names a missing or an unknown field only in its sentence, and Litestar calls the body `data`."""
    if "unknown field" in message or "missing required field" in message:
        name = message.partition("`")[2].rpartition("`")[0]
        return name, "is not a known field" if "unknown" in message else "is required"
    if field == "data":
        return "body", "a JSON object is required" if message == "'data'" else message
    return field, message


def _response(
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: list[FieldError] | msgspec.UnsetType = msgspec.UNSET,
) -> Response[Problem]:
    problem = Problem(title=status.phrase, status=status.value, detail=detail, code=code, errors=errors)
    return Response(problem, status_code=status.value, headers=dict(headers or {}), media_type=MEDIA_TYPE)
