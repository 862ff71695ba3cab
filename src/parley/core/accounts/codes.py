"""One-time codes: sending them, and signing in by one.

The code is the only proof of an identity. What was typed at signup counts for an account that the code makes, and
for nothing else.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from parley.core.accounts.errors import OtpInvalid
from parley.core.accounts.model import (
    CODE_TRIES,
    Account,
    Challenge,
    Identity,
    OpenedBy,
    Purpose,
    SignedIn,
    keyed_hash,
    token_hash,
)
from parley.core.accounts.ports import (
    AccessTokens,
    AccountsUnit,
    AccountsUnitOfWork,
    NewCode,
    NewToken,
    OtpSender,
)
from parley.core.accounts.sessions import open_session
from parley.core.errors import InvalidInput, TooManyRequests
from parley.core.ports import NewId, Throttle

HOUR_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """How long a code lives (NIST SP 800-63B and ASVS 6.5.5: at most ten minutes), and how often one is sent."""

    expire_seconds: int = 600
    resend_seconds: int = 60
    max_sends_per_hour: int = 5


@dataclass(frozen=True, slots=True)
class CodeSent:
    """Seconds until the code expires, and until another may be sent. `shown_code` is None except in development."""

    expires_in: int
    resend_in: int
    shown_code: str | None = field(repr=False)


async def send_code(
    *,
    uow: AccountsUnitOfWork,
    throttle: Throttle,
    sender: OtpSender,
    policy: CodePolicy,
    keys: Sequence[bytes],
    identity: Identity,
    purpose: Purpose,
    new_code: NewCode,
    now: datetime,
) -> CodeSent:
    """Send a new code, which voids the one before it. Whether the identity has an account makes no difference.

    The first of `keys` signs. Raises TooManyRequests, with the earlier code still good, and what the sender raises.
    """
    await _take_turn(throttle, policy, keys[0], identity)
    code = new_code()
    expires_at = now + timedelta(seconds=policy.expire_seconds)
    challenge = Challenge(identity, purpose, _code_mac(keys[0], identity, purpose, code), expires_at)
    async with uow() as unit:
        await unit.challenges.put(challenge)
        await unit.commit()
    shown_code = await sender.send(identity, code, purpose)
    return CodeSent(policy.expire_seconds, policy.resend_seconds, shown_code)


async def try_code(
    *,
    uow: AccountsUnitOfWork,
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
    if expected is None:
        raise OtpInvalid
    # No early end: the time taken tells nothing of which key, or whether any, fitted.
    matches = [hmac.compare_digest(_code_mac(key, identity, purpose, code), expected) for key in keys]
    if not any(matches):
        raise OtpInvalid
    return expected


async def sign_in_by_code(
    *,
    uow: AccountsUnitOfWork,
    access_tokens: AccessTokens,
    keys: Sequence[bytes],
    identity: Identity,
    code: str,
    signup_token: str | None,
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
    code_mac = await try_code(uow=uow, keys=keys, identity=identity, purpose=Purpose.SIGN_IN, code=code, now=now)
    session_id, refresh_token = new_id(), new_token()
    async with uow() as unit:
        if not await unit.challenges.spend(identity, Purpose.SIGN_IN, code_mac, at=now):
            raise OtpInvalid
        account, created = await _find_or_make(unit, identity, signup_token, new_id, now)
        await open_session(
            unit,
            account_id=account.id,
            opened_by=OpenedBy.CODE,
            session_id=session_id,
            refresh_token=refresh_token,
            life=session_life,
            now=now,
        )
        await unit.commit()
    access_token = access_tokens.issue(account.id, session_id, now)
    return SignedIn(access_token, access_tokens.expires_in, refresh_token, created=created, account=account)


async def _take_turn(throttle: Throttle, policy: CodePolicy, key: bytes, identity: Identity) -> None:
    # A throttle's keys may be seen by others than the database's: they do not spell out who is here.
    name = keyed_hash(key, "throttle", str(identity)).hex()
    wait = await throttle.take(f"code:resend:{name}", limit=1, per=policy.resend_seconds)
    if wait > 0:
        raise TooManyRequests(wait)
    wait = await throttle.take(f"code:hour:{name}", limit=policy.max_sends_per_hour, per=HOUR_SECONDS)
    if wait > 0:
        # The first limit has counted this one, so the shorter wait would end in another refusal.
        raise TooManyRequests(max(wait, policy.resend_seconds))


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
