"""When a client must prove to be a person: before steps that send a message or store something for a stranger."""

from dataclasses import dataclass
from enum import Enum

from parley.core.accounts.ports import HumanCheck
from parley.core.errors import InvalidInput


class HumanStep(str, Enum):
    """What the check can be asked for before."""

    SIGN_UP = "signup"
    SIGN_IN = "send-otp"
    RESET = "forgot-password"


@dataclass(frozen=True, slots=True)
class HumanChecks:
    """The check, and the steps that ask for it."""

    check: HumanCheck
    steps: frozenset[HumanStep]


async def require_human(checks: HumanChecks | None, step: HumanStep, *, token: str | None, address: str) -> None:
    """Raises InvalidInput for the field human_token, and Unavailable when the service does not say."""
    if checks is None or step not in checks.steps:
        return
    if token is None:
        raise InvalidInput("human_token", "is required: solve the check on the page and send the token that it gives")
    if not await checks.check.passes(token, address=address):
        raise InvalidInput("human_token", "was refused, has expired or was used before: solve the check again")
