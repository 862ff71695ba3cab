"""One-time codes: sending and verifying a code, and signing in with one.

A code is the only proof of an identity. The name and password of a signup apply only to an account that a code creates.
"""

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from parley.core.accounts import AccountsPorts
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
from parley.core.accounts.ports import AuditTrail
from parley.core.accounts.rate_limits import HOUR_SECONDS
from parley.core.accounts.sessions import open_session, signed_in
from parley.core.accounts.stores import AccountsUnit
from parley.core.errors import InvalidInput, TooManyRequests
from parley.core.text import typed_code

_FAILED = {Purpose.SIGN_IN: AuditEvent.SIGN_IN_FAILED, Purpose.RESET: AuditEvent.RESET_FAILED}


@dataclass(frozen=True, slots=True)
class CodeSent:
    """Seconds until the code expires, and until another may be sent. `shown_code` is None except in development."""

    expires_in: int
    resend_in: int
    shown_code: str | None = field(repr=False)


async def send_code(accounts: AccountsPorts, *, identity: Identity, purpose: Purpose) -> CodeSent:
    """Create a code, which voids the one before it, and queue its delivery.

    The result and the work are the same whether or not the identity has an account. Raises TooManyRequests, which
    leaves the earlier code valid, and InvalidInput for a kind of identity that no sender reaches.
    """
    delivery, policy = accounts.code_delivery, accounts.code_policy
    if delivery is not None and identity.kind not in delivery.senders:
        reached = " or ".join(kind.value for kind in delivery.senders)
        raise InvalidInput(identity.kind.value, f"codes are not sent there: give {reached}")
    await _limit_sends(accounts, identity, purpose)
    code = accounts.new_code()
    expires_at = accounts.now() + timedelta(seconds=policy.expire_seconds)
    challenge = Challenge(identity, purpose, _code_mac(accounts.code_keys[0], identity, purpose, code), expires_at)
    delivery_id = accounts.new_id()
    async with accounts.uow() as unit:
        await unit.challenges.put(challenge)
        if delivery is not None:
            encrypted = delivery.cipher.encrypt(code)
            await unit.deliveries.put(Delivery(delivery_id, identity, purpose, encrypted, expires_at))
        await unit.commit()
    if delivery is not None:
        await delivery.queue.put(delivery_id)
    accounts.audit.note(AuditEvent.CODE_REQUESTED, identity=identity, how=purpose.value)
    return CodeSent(policy.expire_seconds, policy.resend_seconds, code if delivery is None else None)


async def try_code(accounts: AccountsPorts, *, identity: Identity, purpose: Purpose, code: str) -> bytes:
    """Count a try, then compare the code. Returns the MAC of the right code, with which the caller spends it.

    The count is committed before the comparison, so parallel guesses never get more than CODE_TRIES. Raises OtpInvalid.
    """
    async with accounts.uow() as unit:
        expected = await unit.challenges.count_try(identity, purpose, limit=CODE_TRIES, now=accounts.now())
        await unit.commit()
    # Every key is compared: the time taken must not reveal which one matched, or whether any did.
    macs = [_code_mac(key, identity, purpose, typed_code(code)) for key in accounts.code_keys]
    matches = [hmac.compare_digest(mac, expected or b"") for mac in macs]
    if expected is None or not any(matches):
        raise refused_code(accounts.audit, identity, purpose)
    return expected


def refused_code(audit: AuditTrail, identity: Identity, purpose: Purpose) -> OtpInvalid:
    """Note the refusal in the audit trail and return the error to raise."""
    audit.note(_FAILED[purpose], identity=identity, how="code")
    return OtpInvalid()


async def sign_in_by_code(
    accounts: AccountsPorts, *, identity: Identity, code: str, signup_token: str | None, user_agent: str | None
) -> SignedIn:
    """Open a session with a code, creating the identity's account if it has none.

    A `signup_token` gives a new account its name and password. It does nothing to an existing account, so nobody can
    set the password of another person's account. A token that is expired, unknown or of another identity raises
    InvalidInput and leaves the code unspent, though one try is counted: otherwise the account would lack the password
    that its owner chose. Only a caller with the right code learns about the token and whether the account is new.
    Raises OtpInvalid, InvalidInput.
    """
    now = accounts.now()
    code_mac = await try_code(accounts, identity=identity, purpose=Purpose.SIGN_IN, code=code)
    async with accounts.uow() as unit:
        if not await unit.challenges.spend(identity, Purpose.SIGN_IN, code_mac, at=now):
            raise refused_code(accounts.audit, identity, Purpose.SIGN_IN)
        account, created = await _find_or_create(accounts, unit, identity, signup_token, now)
        session, refresh_token = await open_session(
            accounts, unit, account_id=account.id, opened_by=OpenedBy.CODE, user_agent=user_agent, now=now
        )
        await unit.commit()
    return signed_in(accounts, account, session, refresh_token, created=created)


async def _limit_sends(accounts: AccountsPorts, identity: Identity, purpose: Purpose) -> None:
    limits, policy = accounts.rate_limits, accounts.code_policy
    await limits.take(f"code:{purpose.value}", identity, limit=1, per=policy.resend_seconds)
    try:
        await limits.take("code:hour", identity, limit=policy.max_sends_per_hour, per=HOUR_SECONDS)
    except TooManyRequests as error:
        # The first limit has counted this send, so a retry before `resend_seconds` would be refused again.
        raise TooManyRequests(max(error.retry_after, policy.resend_seconds)) from error


async def _find_or_create(
    accounts: AccountsPorts, unit: AccountsUnit, identity: Identity, signup_token: str | None, now: datetime
) -> tuple[Account, bool]:
    found = await unit.accounts.find(identity, prevent_erasure=True)
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
    return await unit.accounts.find_or_add(Account(accounts.new_id(), identity, name, password_hash, created_at=now))


def _code_mac(key: bytes, identity: Identity, purpose: Purpose, code: str) -> bytes:
    return keyed_hash(key, "code", purpose.value, str(identity), code)
