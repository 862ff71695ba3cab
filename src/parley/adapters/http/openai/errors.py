"""Errors in OpenAI's shape: the only place that knows what its clients make of each."""

from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar import Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example
from msgspec import Struct

from parley.adapters.http.errors import Problem, problems_of
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.openapi.operation import header
from parley.core.chat.errors import PromptTooLong, QuotaExceeded, UnknownModel
from parley.core.chat.model import ReplyError
from parley.core.errors import DomainError

# OpenAI's clients repeat a 409, a 429 and a 5xx twice unless this says no.
SHOULD_RETRY = {
    "x-should-retry": header("Whether another try may succeed; OpenAI's clients obey", "false", "false", always=False)
}
NO_RETRY = {"x-should-retry": "false"}
_CONTEXT = "context_length_exceeded"
_INVALID, _SERVER = "invalid_request_error", "server_error"
# What the code of a problem is here: status, type and code. All others keep their code.
_CODES: dict[str, tuple[int, str, str]] = {
    "token_invalid": (401, _INVALID, "invalid_api_key"),
    "api_key_invalid": (401, _INVALID, "invalid_api_key"),
    UnknownModel.code: (404, _INVALID, "model_not_found"),
    PromptTooLong.code: (400, _INVALID, _CONTEXT),
    QuotaExceeded.code: (429, "insufficient_quota", "insufficient_quota"),
    "rate_limited": (429, "requests", "rate_limit_exceeded"),
    "too_many_pending": (429, "requests", "rate_limit_exceeded"),
}
# Why a reply failed, where the prompt is the reason and another try would fail too.
_FAILURES: dict[str, tuple[int, str, str]] = {
    "context_too_long": (400, _INVALID, _CONTEXT),
    "prompt_blocked": (400, _INVALID, "content_filter"),
    "content_blocked": (400, _INVALID, "content_filter"),
    "model_rejected_request": (400, _INVALID, "model_rejected_request"),
}


class ErrorDetail(Struct):
    """An error in OpenAI's shape."""

    message: Annotated[str, described("An explanation for people", "The model does not exist.")]
    type: Annotated[str, described("The kind of error", _INVALID)]
    param: Annotated[str | None, described("The field of the request that is wrong", "model")]
    code: Annotated[str | None, described("A stable error code for programs", "model_not_found")]


class ErrorBody(Struct):
    """The body of an error."""

    error: Annotated[ErrorDetail, described("The error")]


def from_problem(problem: Problem) -> tuple[int, ErrorBody]:
    """The problem in OpenAI's shape, and its status there."""
    kind = _INVALID if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR else _SERVER
    status, type_, code = _CODES.get(problem.code, (problem.status, kind, problem.code))
    errors = [] if isinstance(problem.errors, msgspec.UnsetType) else problem.errors
    field = errors[0].field if errors else None
    message = f"{field}: {errors[0].message}" if errors else problem.detail
    return status, ErrorBody(ErrorDetail(message, type_, field, code))


def shaped(response: Response[Problem]) -> Response[Any]:
    """The response to a request that failed, in OpenAI's shape. Its headers stay."""
    status, body = from_problem(response.content)
    if response.content.code == QuotaExceeded.code or response.status_code == HTTPStatus.CONFLICT:
        response.headers |= NO_RETRY
    return Response(
        body,
        status_code=status,
        headers=response.headers,
        media_type="application/json",
        background=response.background,
    )


def failure(error: ReplyError | None, prompt_field: str = "messages") -> tuple[int, ErrorBody]:
    """Why a reply failed, in OpenAI's shape, with the status of a response that has not begun."""
    if error is None:
        return 503, ErrorBody(ErrorDetail("The answer was cut off. Try again.", _SERVER, None, "interrupted"))
    status, type_, code = _FAILURES.get(error.code, (503, _SERVER, error.code))
    return status, ErrorBody(ErrorDetail(error.detail, type_, prompt_field if status == 400 else None, code))  # noqa: PLR2004


def openai_errors(*refusals: int | DomainError) -> dict[int, ResponseSpec]:
    """As `problems`, for an operation with errors of this shape."""
    examples: dict[int, list[Example]] = {}
    for refusal in (*refusals, 401, 429, 500, 503):
        for status, body in map(from_problem, problems_of(refusal)):
            example = Example(summary=str(body.error.code), value=msgspec.to_builtins(body))
            examples.setdefault(status, []).append(example)
    return {
        status: ResponseSpec(
            ErrorBody,
            generate_examples=False,
            description=f"{HTTPStatus(status).phrase}: {' or '.join(f'`{each.summary}`' for each in found)}",
            examples=found,
        )
        for status, found in examples.items()
    }
