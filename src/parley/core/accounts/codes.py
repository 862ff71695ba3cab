"""One-time codes: asking for one, trying one, and signing in by one.

The code is the only proof of an identity. What was typed at signup counts for an account that the code makes, and
for nothing else.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from parley.core.accounts.code_policy import CodePolicy
from parley.core.accounts.errors import OtpInvalid
from parley.core.accounts.model import (
    CODE_TRIES,
    Account,
    AuditEvent,
    Challenge,
    Delivery,
    Identity,
    OpenedBy,
    Purpose,
    SignedIn,
    keyed_hash,
    token_hash,
)
from parley.core.accounts.ports import AccessTokens, AuditTrail, CodeDelivery, NewCode, NewToken
from parley.core.accounts.rate_limits import HOUR_SECONDS, IdentityRateLimits
from parley.core.accounts.sessions import open_session
from parley.core.accounts.stores import AccountsUnit, AccountsUnitOfWork
from parley.core.errors import InvalidInput, TooManyRequests
from parley.core.ports import NewId

_FAILED = {Purpose.SIGN_IN: AuditEvent.SIGN_IN_FAILED, Purpose.RESET: AuditEvent.RESET_FAILED}


@dataclass(frozen=True, slots=True)
class CodeSent:
    """Seconds until the code expires, and until another may be sent. `shown_code` is None except in development."""

    expires_in: int
    resend_in: int
    shown_code: str | None = field(repr=False)


async def send_code(
    *,
    uow: AccountsUnitOfWork,
    turns: IdentityRateLimits,
    post: CodeDelivery | None,
    policy: CodePolicy,
    keys: Sequence[bytes],
    identity: Identity,
    purpose: Purpose,
    new_code: NewCode,
    new_id: NewId,
    audit: AuditTrail,
    now: datetime,
) -> CodeSent:
    """Make a new code, which voids the one before it, and leave its delivery to the workers.

    Whether the identity has an account makes no difference. Without `post` the code is shown to whoever asked. The
    first of `keys` signs. Raises TooManyRequests, with the earlier code still good, and InvalidInput for an identity
    that no sender reaches.
    """
    if post is not None and identity.kind not in post.senders:
        reached = " or ".join(kind.value for kind in post.senders)
        raise InvalidInput(identity.kind.value, f"codes are not sent there: give {reached}")
    await _take_turn(turns, policy, identity, purpose)
    code = new_code()
    expires_at = now + timedelta(seconds=policy.expire_seconds)
    challenge = Challenge(identity, purpose, _code_mac(keys[0], identity, purpose, code), expires_at)
    delivery_id = new_id()
    async with uow() as unit:
        await unit.challenges.put(challenge)
        if post is not None:
            encrypted = post.cipher.encrypt(code)
            await unit.deliveries.put(Delivery(delivery_id, identity, purpose, encrypted, expires_at))
        await unit.commit()
    if post is not None:
        await post.queue.put(delivery_id)
    audit.note(AuditEvent.CODE_REQUESTED, identity=identity, how=purpose.value)
    return CodeSent(policy.expire_seconds, policy.resend_seconds, code if post is None else None)


async def try_code(
    *,
    uow: AccountsUnitOfWork,
    audit: AuditTrail,
    keys: Sequence[bytes],
    identity: Identity,
    purpose: Purpose,
    code: str,
    now: datetime,
) -> bytes:
    """Count a try, and only once that is committed compare: so no number of parallel guesses gets more than CODE_TRIES.

    Returns the MAC of the right code, with which the caller spends it in the unit of work that it permits.
    Raises OtpInvalid.
    """
    async with uow() as unit:
        expected = await unit.challenges.count_try(identity, purpose, limit=CODE_TRIES, now=now)
        await unit.commit()
    # No early end: the time taken tells nothing of which key, or whether any, fitted.
    matches = [hmac.compare_digest(_code_mac(key, identity, purpose, code), expected or b"") for key in keys]
    if expected is None or not any(matches):
        raise refused_code(audit, identity, purpose)
    return expected


def refused_code(audit: AuditTrail, identity: Identity, purpose: Purpose) -> OtpInvalid:
    """What a caller raises for a code that is not good, or not any more."""
    audit.note(_FAILED[purpose], identity=identity, how="code")
    return OtpInvalid()


async def sign_in_by_code(
    *,
    uow: AccountsUnitOfWork,
    access_tokens: AccessTokens,
    audit: AuditTrail,
    keys: Sequence[bytes],
    identity: Identity,
    code: str,
    signup_token: str | None,
    user_agent: str | None,
    session_life: timedelta,
    new_id: NewId,
    new_token: NewToken,
    now: datetime,
) -> SignedIn:
    """Open a session with a code for the identity, and make its account if it has none. Any of `keys` may fit.

    A `signup_token` gives a new account its name and password; to an account that exists it does nothing, so nobody
    can plant a password in another's account. One that is expired, unknown or of another identity is refused with
    InvalidInput, and the code is then still unspent (it cost one try): making the account without the password that
    its owner chose would surprise them later. Only who has the right code sees any of this, and they may know whether
    their account is new.
    Raises OtpInvalid, InvalidInput.
    """
    code_mac = await try_code(
        uow=uow, audit=audit, keys=keys, identity=identity, purpose=Purpose.SIGN_IN, code=code, now=now
    )
    session_id, refresh_token = new_id(), new_token()
    async with uow() as unit:
        if not await unit.challenges.spend(identity, Purpose.SIGN_IN, code_mac, at=now):
            raise refused_code(audit, identity, Purpose.SIGN_IN)
        account, created = await _find_or_make(unit, identity, signup_token, new_id, now)
        await open_session(
            unit,
            account_id=account.id,
            opened_by=OpenedBy.CODE,
            session_id=session_id,
            refresh_token=refresh_token,
            user_agent=user_agent,
            life=session_life,
            now=now,
        )
        await unit.commit()
    audit.note(AuditEvent.SIGNED_IN, identity=identity, account_id=account.id, session_id=session_id, how="code")
    access_token = access_tokens.issue(account.id, session_id, now)
    return SignedIn(access_token, access_tokens.expires_in, refresh_token, created=created, account=account)


async def _take_turn(turns: IdentityRateLimits, policy: CodePolicy, identity: Identity, purpose: Purpose) -> None:
    await turns.take(f"code:{purpose.value}", identity, limit=1, per=policy.resend_seconds)
    try:
        await turns.take("code:hour", identity, limit=policy.max_sends_per_hour, per=HOUR_SECONDS)
    except TooManyRequests as error:
        # The first limit has counted this one, so a shorter wait would end in another refusal.
        raise TooManyRequests(max(error.retry_after, policy.resend_seconds)) from error


async def _find_or_make(
    unit: AccountsUnit, identity: Identity, signup_token: str | None, new_id: NewId, now: datetime
) -> tuple[Account, bool]:
    found = await unit.accounts.find(identity, keep=True)
    if found is not None:
        return found, False
    name, password_hash = None, None
    if signup_token is not None:
        hashed = token_hash(signup_token)
        signup = await unit.signups.get(hashed)
        if signup is None or signup.identity != identity or signup.expires_at <= now:
            raise InvalidInput("signup_token", "is not valid here, or not any more: sign up again, or leave it out")
        name, password_hash = signup.name, signup.password_hash
        await unit.signups.remove(hashed)
    return await unit.accounts.find_or_add(Account(new_id(), identity, name, password_hash, created_at=now))


def _code_mac(key: bytes, identity: Identity, purpose: Purpose, code: str) -> bytes:
    return keyed_hash(key, "code", purpose.value, str(identity), code)
