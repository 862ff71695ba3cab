"""Whether, when, and of which model a reply is asked for again after a model failed."""

from dataclasses import dataclass

from parley.core.chat import ChatPorts
from parley.core.chat.circuit_breaker import CircuitState
from parley.core.chat.errors import (
    CONVERSATION_FAILURES,
    PROVIDER_REFUSALS,
    ModelFailed,
    ModelRefused,
    ModelUnavailable,
)
from parley.core.chat.model import Claim, Ending, ReplyError, Status
from parley.core.chat.parts import Part, text_of
from parley.core.chat.tokens import Spent, TokenUsage

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0
# While a fallback is left: a reader should not wait long for a model that may be down.
FIRST_QUICK_RETRY_SECONDS = 0.1
LONGEST_QUICK_RETRY_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt may succeed, in `seconds`.

    `spent` is what the failed one cost. `fallback` is the model to ask then, None for the same one. A `quick` retry
    is put on the queue by its worker, as the sweeper would take a second to find it.
    """

    seconds: float
    spent: Spent
    fallback: str | None = None
    quick: bool = False


def is_of_provider(failure: ModelFailed) -> bool:
    """Whether another model may answer where this one failed: the conversation is not the cause."""
    return isinstance(failure, ModelUnavailable) or failure.code in PROVIDER_REFUSALS


def is_of_conversation(failure: ModelFailed) -> bool:
    """Whether the user can bring it about at will and at a cost: also by a question whose answer takes for ever."""
    wrote_for_too_long = isinstance(failure, ModelRefused) and failure.code == "model_timeout"
    return wrote_for_too_long or failure.code in CONVERSATION_FAILURES


def after_failure(
    chat: ChatPorts,
    claim: Claim,
    parts: tuple[Part, ...],
    failure: ModelFailed,
    *,
    usage: TokenUsage | None,
    spent: Spent,
) -> Ending | Retry:
    """A failed end with the attempt's `parts`, or a retry if the failure may pass and attempts or fallbacks are left.

    `claim.model` is the model that failed, `usage` what its provider counted, and `spent` what counts.
    """
    fallback = chat.catalogue.fallback(claim.model, chat.plans.every.named(claim.plan))
    if fallback is not None and is_of_provider(failure):
        return _quick_retry(chat, claim, failure, spent) or Retry(0.0, spent, fallback, quick=True)
    if isinstance(failure, ModelUnavailable) and claim.failures + 1 < chat.limits.attempts:
        delay = failure.retry_after
        if delay is None:
            # Spread, so that the replies that one outage interrupted do not return at the same moment.
            backoff = min(FIRST_RETRY_SECONDS * 2.0**claim.failures, LONGEST_RETRY_SECONDS)
            delay = backoff * (0.5 + chat.jitter() / 2)
        if delay <= chat.limits.total:
            return Retry(delay, spent)
    error = ReplyError(failure.code, failure.detail)
    is_refusal = is_of_conversation(failure)
    return Ending(
        Status.FAILED,
        text_of(parts),
        chat.now(),
        usage,
        error=error,
        parts=parts,
        is_refusal=is_refusal,
        spent=spent,
    )


def _quick_retry(chat: ChatPorts, claim: Claim, failure: ModelFailed, spent: Spent) -> Retry | None:
    """Another attempt with the same model although it has a fallback, or None if that should be asked now."""
    if not isinstance(failure, ModelUnavailable) or claim.failures + 1 >= chat.limits.attempts:
        return None
    delay = min(FIRST_QUICK_RETRY_SECONDS * 2.0**claim.failures, LONGEST_QUICK_RETRY_SECONDS)
    if (failure.retry_after or 0.0) > delay or chat.breakers.of(claim.model).state is CircuitState.OPEN:
        return None
    return Retry(delay, spent, quick=True)
