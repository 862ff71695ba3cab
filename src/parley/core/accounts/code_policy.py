"""Limits on one-time codes that an operator sets."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """How long a code is valid (NIST SP 800-63B and ASVS 6.5.5: at most ten minutes), and how often one is sent."""

    expire_seconds: int = 600
    resend_seconds: int = 60
    max_sends_per_hour: int = 5
