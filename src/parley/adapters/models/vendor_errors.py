"""Errors of model vendors, and what they mean to parley: one table for every vendor."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import structlog

from parley.adapters.models.sse import read_json
from parley.core.chat.errors import ContextTooLong, ModelFailed, ModelRefused, ModelUnavailable
from parley.core.chat.tokens import TokenUsage

CAUSE_CHARACTERS = 300

_KEY_REJECTED = frozenset({401, 403})
_TRANSIENT = frozenset({408, 409})
_TOO_LONG_STATUSES = frozenset({200, 400, 413, 422})
# OpenAI, Groq, DeepSeek; llama.cpp; vLLM, SGLang, Mistral; Gemini; Together and TGI; xAI; LM Studio; Anthropic.
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size_error|exceeds the available context size|(maximum|model's) context"
    r" length|context window|token count.{0,60}exceeds the maximum|`inputs` (tokens|must have less)|request too large"
    r" for model|maximum prompt length|(greater than|exceeds) the context length|prompt is too long",
    re.IGNORECASE | re.DOTALL,
)
# Errors inside an answer whose status is 200: the status that their words stand for.
_WORDS = tuple(
    (status, re.compile(words, re.IGNORECASE))
    for status, words in (
        (401, r"(invalid|incorrect|wrong|missing|no)[ _]api[ _-]?key|api[ _]key[ _](not[ _]valid|invalid)"),
        (401, r"unauthenticated|authentication_error|unauthorized|permission_denied"),
        (429, r"rate[ _-]?limit|resource_exhausted|too[ _]many[ _]requests|insufficient_quota"),
        (400, r"invalid_request|invalid_argument|bad_?request|model_not_found"),
    )
)
# Azure and OpenAI; OpenAI; OpenAI's images; DashScope. Before an answer, or half way in it.
_FILTERED = re.compile(
    r"content_?filter|content_?policy_?violation|invalid_prompt|moderation_blocked|responsible_?ai_?policy_?violation"
    r"|data_?inspection_?failed",
    re.IGNORECASE,
)
# A code is one word; anything longer may quote the conversation.
_CODE = re.compile(r"[\w.:\-\[\]]{1,80}")

log = structlog.get_logger("parley.models")


class VendorError(Exception):
    """An error that a vendor sent, with an HTTP status or, `status` 200, inside its answer.

    `codes` are its machine-readable words. `message` may quote the conversation: it is compared, never logged.
    """

    def __init__(
        self, status: int, codes: tuple[str, ...], message: str, *, retry_after: float | None = None, origin: str = ""
    ) -> None:
        super().__init__(f"status {status}, {', '.join(codes) or 'no code'}{origin}")
        self.status = status
        self.codes = codes
        self.message = message
        self.retry_after = retry_after

    @property
    def words(self) -> str:
        """All that the vendor said, to look for known phrases in."""
        return " ".join((*self.codes, self.message))


def error_of_status(status: int, headers: Mapping[str, str], body: bytes) -> VendorError:
    """The error in an HTTP response."""
    try:
        said = read_json(body)
    except ValueError:
        said = body.decode("utf-8", "replace")
    said = said[0] if isinstance(said, list) and said else said
    error = (said.get("error") or said) if isinstance(said, dict) else said
    named = {"request id": headers.get("x-request-id") or headers.get("request-id"), "to": headers.get("location")}
    origin = "".join(f", {name} {value[:100]}" for name, value in named.items() if value)
    retry_after = _seconds_until(headers.get("retry-after"))
    return _read(status, error, retry_after=retry_after, origin=origin)


def error_in_answer(event: dict[str, object]) -> VendorError | None:
    """The error that an event of an answer is, or None."""
    if event.get("error"):
        return _read(HTTPStatus.OK, event["error"])
    if "choices" in event or "candidates" in event:
        return None
    # vLLM's and FastAPI's.
    failing = "detail" in event or "error" in (event.get("object"), event.get("type"))
    return _read(HTTPStatus.OK, event) if failing else None


def model_failure(label: str, error: VendorError, *, usage: TokenUsage | None = None) -> ModelFailed:
    """Our error for a vendor's. `label` names the vendor to the account."""
    cause = str(error)
    status = error.status if error.status != HTTPStatus.OK else _status_by_words(error)
    said = f"{label} answered with status {status}." if error.status == status else f"{label} answered with an error."
    if error.status in _TOO_LONG_STATUSES and _TOO_LONG.search(error.words):
        return ContextTooLong(f"The conversation is longer than this model of {label} can read.", cause=cause)
    if any(_FILTERED.fullmatch(word) for word in (*error.codes, error.message)):
        code, what = ("content_blocked", "answer") if error.status == HTTPStatus.OK else ("prompt_blocked", "prompt")
        return ModelRefused(code, f"{label} blocked this {what}.", usage=usage, cause=cause)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return ModelUnavailable("model_rate_limited", said, retry_after=error.retry_after, usage=usage, cause=cause)
    if error.status == HTTPStatus.OK and (status in _TRANSIENT or not 400 <= status < 500):  # noqa: PLR2004
        broken = f"{label} broke the answer off."
        return ModelUnavailable("model_interrupted", broken, retry_after=error.retry_after, usage=usage, cause=cause)
    if status in _TRANSIENT or status >= 500:  # noqa: PLR2004 - the server errors of HTTP
        return ModelUnavailable("model_unavailable", said, retry_after=error.retry_after, usage=usage, cause=cause)
    return ModelRefused(_refusal_code(status, error.codes), said, usage=usage, cause=cause)


def _refusal_code(status: int, codes: tuple[str, ...]) -> str:
    # Google answers a wrong key with status 400 and this reason.
    if status in _KEY_REJECTED or "API_KEY_INVALID" in codes:
        return "model_rejected_key"
    if status == HTTPStatus.NOT_FOUND or "model_not_found" in codes:
        return "model_not_found"
    return "model_rejected_request"


def connection_failure(label: str, error: BaseException) -> ModelUnavailable:
    cause = f"{type(error).__name__}: {error.__cause__ or error}"[:CAUSE_CHARACTERS]
    return ModelUnavailable("model_unavailable", f"The connection to {label} failed.", cause=cause)


@contextmanager
def logged_failures(label: str, model: str) -> Iterator[None]:
    """Log the cause of a ModelFailed that passes; the account sees only its code and detail."""
    try:
        yield
    except ModelFailed as failed:
        log.warning("model_failed", provider=label, model=model, code=failed.code, cause=failed.cause)
        raise


def _read(status: int, error: object, *, retry_after: float | None = None, origin: str = "") -> VendorError:
    if not isinstance(error, dict):
        return VendorError(status, (), str(error), retry_after=retry_after, origin=origin)
    kinds = _typed_details(error.get("details"))
    fields = [error.get(name) for name in ("code", "type", "status", "param")] + [kinds.get("reason")]
    codes = tuple(str(field) for field in fields if field is not None and _CODE.fullmatch(str(field)))
    message = str(error.get("message") or error.get("detail") or "")
    wait = _seconds_until(kinds.get("retryDelay")) if retry_after is None else retry_after
    return VendorError(status, codes, message, retry_after=wait, origin=origin)


def _typed_details(details: object) -> dict[str, str]:
    """The fields of Google's typed details, of which `reason` and `retryDelay` are read."""
    kinds = [detail for detail in details if isinstance(detail, dict)] if isinstance(details, list) else []
    return {name: str(value) for kind in reversed(kinds) for name, value in kind.items()}


def _status_by_words(error: VendorError) -> int:
    for code in error.codes:
        if code.isdecimal() and 400 <= int(code) < 600:  # noqa: PLR2004 - the errors of HTTP
            return int(code)
    return next((status for status, words in _WORDS if words.search(error.words)), HTTPStatus.OK)


def _seconds_until(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After header, a number or a date, or of Google's `3.5s`. None: missing or neither."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after.removesuffix("s"))
    except ValueError:
        try:
            moment = parsedate_to_datetime(retry_after)
        except ValueError:
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
