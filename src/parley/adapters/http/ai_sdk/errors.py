"""Errors for the AI SDK: its client shows the body of a refusal as it is, so the body is one sentence."""

from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example

from parley.adapters.http.errors import Problem, problems_of
from parley.core.errors import DomainError

MEDIA_TYPE = "text/plain"


def shaped(response: Response[Problem]) -> Response[Any]:
    """The response to a request that failed, as plain text. Its headers stay."""
    return Response(
        _sentence(response.content),
        status_code=response.content.status,
        headers=response.headers,
        media_type=MEDIA_TYPE,
        background=response.background,
    )


def sentences(*refusals: int | DomainError) -> dict[int, ResponseSpec]:
    """As `problems`, for an operation whose errors are sentences."""
    examples: dict[int, list[Example]] = {}
    for refusal in (*refusals, 401, 429, 500, 503):
        for problem in problems_of(refusal):
            example = Example(summary=problem.code, value=_sentence(problem))
            examples.setdefault(problem.status, []).append(example)
    return {
        status: ResponseSpec(
            str,
            generate_examples=False,
            media_type=MEDIA_TYPE,
            description=f"{HTTPStatus(status).phrase}, as a sentence",
            examples=found,
        )
        for status, found in examples.items()
    }


def _sentence(problem: Problem) -> str:
    errors = [] if isinstance(problem.errors, msgspec.UnsetType) else problem.errors
    return f"{errors[0].field}: {errors[0].message}" if errors else problem.detail
