"""Which model is asked for a reply, and what its circuit breaker learns from the answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from parley.core.chat import ChatPorts
from parley.core.chat.circuit_breaker import CircuitBreaker
from parley.core.chat.errors import ModelFailed, ModelUnavailable
from parley.core.chat.model import Claim
from parley.core.chat.retries import is_of_provider


def with_available_model(chat: ChatPorts, claim: Claim) -> Claim:
    """The claim with the first model of its chain that its circuit breaker allows to ask; failures count from 0 there.

    The last model of a chain is asked even if its breaker is open, as there is no other. The caller must ask the model
    within `observed_by` its breaker.
    """
    while not chat.breakers.of(claim.model).allows(claim.reply_id):
        fallback = chat.catalogue.fallback(claim.model, chat.plans.every.named(claim.plan))
        if fallback is None:
            break
        chat.meter.fell_back(claim.model, fallback)
        claim = replace(claim, model=fallback, failures=0)
    return claim


@contextmanager
def observed_by(breaker: CircuitBreaker, reply_id: UUID) -> Iterator[None]:
    """A context around the reading of a reply's answer, which reports the result to the breaker."""
    ended = False
    try:
        yield
        ended = True
        breaker.succeeded()
    except ModelFailed as failure:
        ended = True
        if not is_of_provider(failure):
            breaker.succeeded()
        else:
            breaker.failed(failure.retry_after if isinstance(failure, ModelUnavailable) else None)
        raise
    finally:
        if not ended:
            breaker.abandoned(reply_id)
