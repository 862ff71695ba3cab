"""The accounts module: who somebody is. Codes and their delivery, passwords, sessions, erasure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.password_rules import PasswordRules
from parley.core.accounts.ports import (
    AccessTokens,
    AuditTrail,
    CodeDelivery,
    MobileNumbers,
    NewCode,
    NewToken,
    Passwords,
)
from parley.core.accounts.rate_limits import IdentityRateLimits
from parley.core.accounts.revocations import RevocationList
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.ports import Clock, NewId


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountsPorts:
    """Everything that the accounts module needs from outside; the first argument of each of its use cases.

    Keys come as lists: the first one signs, all of them verify. Without `code_delivery` nothing is sent and the answer
    to whoever asks for a code shows it, which is for development only.
    """

    uow: AccountsUnitOfWork
    passwords: Passwords
    password_rules: PasswordRules
    mobile_numbers: MobileNumbers
    access_tokens: AccessTokens
    revocations: RevocationList
    rate_limits: IdentityRateLimits
    audit: AuditTrail
    code_delivery: CodeDelivery | None
    code_policy: CodePolicy
    code_keys: Sequence[bytes] = field(repr=False)
    refresh_keys: Sequence[bytes] = field(repr=False)
    session_life: timedelta
    now: Clock
    new_id: NewId
    new_code: NewCode
    new_token: NewToken
