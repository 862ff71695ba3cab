"""The wording of messages that carry a one-time code."""

from dataclasses import dataclass

from parley.core.accounts.model import Purpose

_NAMES = {Purpose.SIGN_IN: "sign-in code", Purpose.RESET: "password reset code"}


@dataclass(frozen=True, slots=True)
class MailText:
    """The parts of a mail; the code stands between `opening` and `rest`, and never in `subject`.

    Lock screens show subjects, and mail servers log them.
    """

    subject: str
    opening: str
    rest: str


def sms_text(code: str, purpose: Purpose, minutes: int) -> str:
    return f"{code} is your {_NAMES[purpose]}. {_validity(minutes)} Never share it."


def mail_text(product: str, purpose: Purpose, minutes: int) -> MailText:
    """`product` is empty if it has no name."""
    name = _NAMES[purpose]
    subject = name.capitalize()
    nobody = f"Nobody of {product}" if product else "Nobody"
    return MailText(
        subject=f"{subject} for {product}" if product else subject,
        opening=f"Your {name} for {product} is" if product else f"Your {name} is",
        rest=f"{_validity(minutes)} {nobody} will ever ask for it. "
        "If you did not ask for it, you can ignore this mail.",
    )


def _validity(minutes: int) -> str:
    return f"It works once, for {minutes} minute{'' if minutes == 1 else 's'}."
