"""Limits on one-time codes that an operator sets."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """How long a code is valid (NIST SP 800-63B and ASVS 6.5.5: at most ten minutes), and how often one is sent.

    `sms_per_hour` and `emails_per_hour` are budgets of the whole installation for codes by either way; 0 is no budget.
    `country_share` of the first is for the numbers of one country calling code.
    """

    expire_seconds: int = 600
    resend_seconds: int = 60
    max_sends_per_hour: int = 5
    sms_per_hour: int = 0
    emails_per_hour: int = 0
    country_share: float = 0.5
