"""Whether and when a reply is attempted again after its model failed."""

from dataclasses import dataclass

from parley.core.chat import ChatPorts
from parley.core.chat.errors import ModelFailed, ModelUnavailable
from parley.core.chat.model import Claim, Ending, ReplyError, Status
from parley.core.chat.parts import Part, text_of

FIRST_RETRY_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Another attempt may succeed, in `seconds`."""

    seconds: float


def after_failure(chat: ChatPorts, claim: Claim, parts: tuple[Part, ...], failure: ModelFailed) -> Ending | Retry:
    """A failed end with the attempt's `parts`, or a retry if the failure may pass and attempts are left."""
    if isinstance(failure, ModelUnavailable) and claim.failures + 1 < chat.limits.attempts:
        delay = failure.retry_after
        if delay is None:
            # Spread, so that the replies that one outage interrupted do not return at the same moment.
            backoff = min(FIRST_RETRY_SECONDS * 2.0**claim.failures, LONGEST_RETRY_SECONDS)
            delay = backoff * (0.5 + chat.jitter() / 2)
        if delay <= chat.limits.total:
            return Retry(delay)
    error = ReplyError(failure.code, failure.detail)
    return Ending(Status.FAILED, text_of(parts), chat.now(), error=error, parts=parts)
