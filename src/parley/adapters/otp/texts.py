"""The wording of messages that carry a one-time code, and of notices without one."""

from dataclasses import dataclass

from parley.core.accounts.model import Notice, Purpose

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


_NOTICES = {
    Notice.GUESSING: "Someone has tried several wrong codes or passwords for your account{of}. They were refused. If "
    "that was not you, you need not do anything: never share a code, and change a password that others may know."
}


def sms_notice(notice: Notice) -> str:
    return _NOTICES[notice].format(of="")


def mail_notice(product: str, notice: Notice) -> tuple[str, str]:
    """Subject and text; `product` is empty if it has no name."""
    subject = f"Failed sign-ins for {product}" if product else "Failed sign-ins"
    return subject, _NOTICES[notice].format(of=f" of {product}" if product else "")


def _validity(minutes: int) -> str:
    return f"It works once, for {minutes} minute{'' if minutes == 1 else 's'}."
