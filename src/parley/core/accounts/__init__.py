"""The accounts module: one-time codes, passwords, sessions, and the account itself."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.directory import AccountDirectory
from parley.core.accounts.human_checks import HumanChecks
from parley.core.accounts.identity_rate_limits import IdentityRateLimits
from parley.core.accounts.known_keys import KnownApiKeys
from parley.core.accounts.password_rules import PasswordRules
from parley.core.accounts.ports import (
    AccessTokens,
    AuditTrail,
    CodeDelivery,
    MobileNumbers,
    NewCode,
    Passwords,
)
from parley.core.accounts.revocations import RevocationList
from parley.core.accounts.stores import AccountsUnitOfWork
from parley.core.outgoing_events import Webhooks
from parley.core.ports import Clock, NewId, NewToken


@dataclass(frozen=True, kw_only=True, slots=True)
class AccountsPorts:
    """Everything that the accounts module needs from outside; the first argument of each of its use cases.

    The first of `code_keys`, of `refresh_keys` and of `usage_keys` makes hashes, all of them are looked for. Without
    `code_delivery` no code is sent and the caller of `send_code` gets the code itself, which is for development only.
    Without `human_checks` nothing asks for a human. A session ends after `session_life` without a refresh, and
    `session_max_age` after its sign-in in any case. What an erased account has used counts for the identity's next one
    until the end of the day, or of the month if `usage_counts_for_month`.
    """

    uow: AccountsUnitOfWork
    passwords: Passwords
    password_rules: PasswordRules
    mobile_numbers: MobileNumbers
    access_tokens: AccessTokens
    api_keys: KnownApiKeys
    revocations: RevocationList
    directory: AccountDirectory
    rate_limits: IdentityRateLimits
    audit: AuditTrail
    code_delivery: CodeDelivery | None
    code_policy: CodePolicy
    human_checks: HumanChecks | None
    code_keys: Sequence[bytes] = field(repr=False)
    refresh_keys: Sequence[bytes] = field(repr=False)
    usage_keys: Sequence[bytes] = field(repr=False)
    session_life: timedelta
    session_max_age: timedelta
    usage_counts_for_month: bool = False
    webhooks: Webhooks = field(default_factory=Webhooks)
    now: Clock
    new_id: NewId
    new_code: NewCode
    new_token: NewToken
