"""One-time codes: sending and verifying a code, and signing in with one.

A code is the only proof of an identity. The name and password of a signup apply only to an account that a code creates.
"""

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from parley.core.accounts import AccountsPorts
from parley.core.accounts.erased_usage import restore_usage
from parley.core.accounts.errors import OtpInvalid
from parley.core.accounts.guesses import (
    Guess,
    address_failure,
    code_guesses,
    count_failure,
    free_failures,
    queue_notice,
)
from parley.core.accounts.human_checks import HumanStep, require_human
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
from parley.core.accounts.send_limits import check_reached, count_send
from parley.core.accounts.sessions import open_session, refuse_suspended, signed_in
from parley.core.accounts.sources import Client, Source, block_of, remember_device, source_of, stored_source
from parley.core.accounts.stores import AccountsUnit
from parley.core.errors import InvalidInput
from parley.core.outgoing_events import EventKind, OutgoingEvent
from parley.core.text import typed_code

_STEPS = {Purpose.SIGN_IN: HumanStep.SIGN_IN, Purpose.RESET: HumanStep.RESET}
_FAILED = {Purpose.SIGN_IN: AuditEvent.SIGN_IN_FAILED, Purpose.RESET: AuditEvent.RESET_FAILED}


@dataclass(frozen=True, slots=True)
class CodeSent:
    """Seconds until the code expires, and until another may be sent. `shown_code` is None except in development.

    `challenge` names this request when the code is verified.
    """

    challenge: str = field(repr=False)
    expires_in: int
    resend_in: int
    shown_code: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class RightCode:
    """A code that was right, to be spent, and the guess that it was."""

    challenge: bytes
    guess: Guess

    async def spend(self, unit: AccountsUnit, *, at: datetime) -> bool:
        """Spend it and remove the failures of its source; False when another call has spent it."""
        await self.guess.forget(unit)
        return await unit.challenges.spend(self.challenge, at=at)

    async def undo(self, accounts: AccountsPorts) -> None:
        """As if it had not been tried: what it was for could not be done now."""
        async with accounts.uow() as unit:
            await self.guess.forget(unit)
            await unit.challenges.undo_try(self.challenge)
            await unit.commit()


async def send_code(
    accounts: AccountsPorts, *, identity: Identity, purpose: Purpose, client: Client, human_token: str | None = None
) -> CodeSent:
    """Create a challenge beside those before it, and queue the delivery of its code.

    The result and the work are the same whether or not the identity has an account. A known device needs no
    `human_token`. Raises TooManyRequests, InvalidInput for an identity that no sender reaches, and what
    `require_human` raises.
    """
    delivery, policy = accounts.code_delivery, accounts.code_policy
    check_reached(accounts, identity)
    source = await source_of(accounts, identity=identity, client=client)
    if not source.known:
        await require_human(accounts.human_checks, _STEPS[purpose], token=human_token, address=client.address)
    await count_send(accounts, identity=identity, purpose=purpose, source=source, client=client)
    code, challenge_id = accounts.new_code(), accounts.new_token()
    expires_at = accounts.now() + timedelta(seconds=policy.expire_seconds)
    code_mac = _code_mac(accounts.code_keys[0], identity, purpose, code)
    challenge = Challenge(
        accounts.new_id(), token_hash(challenge_id), identity, purpose, source.name, code_mac, expires_at
    )
    delivery_id = accounts.new_id()
    async with accounts.uow() as unit:
        await unit.challenges.add(challenge)
        if delivery is not None:
            encrypted = delivery.cipher.encrypt(code)
            await unit.deliveries.put(Delivery(delivery_id, identity, purpose, encrypted, expires_at))
        await unit.commit()
    if delivery is not None:
        await delivery.queue.put(delivery_id)
    accounts.audit.note(AuditEvent.CODE_REQUESTED, identity=identity, how=purpose.value)
    return CodeSent(challenge_id, policy.expire_seconds, policy.resend_seconds, code if delivery is None else None)


async def try_code(
    accounts: AccountsPorts,
    *,
    identity: Identity,
    purpose: Purpose,
    code: str,
    challenge: str | None,
    client: Client,
) -> RightCode:
    """Count a try, then compare the code.

    Without `challenge` the code is compared with the latest that the client's address block asked for. The count is
    committed before the comparison, so parallel guesses gain nothing. Raises OtpInvalid, TooManyRequests.
    """
    found = await _find_challenge(accounts, identity, purpose, challenge, client)
    source = block_of(accounts, client) if found is None else stored_source(found.source)
    address_uses = address_failure(accounts, identity, source, client)
    await accounts.rate_limits.take("code", identity, *address_uses)
    expected = None if found is None else await _count_try(accounts, found, source)
    # Every key is compared: the time taken must not reveal which one matched, or whether any did.
    macs = [_code_mac(key, identity, purpose, typed_code(code)) for key in accounts.code_keys]
    matches = [hmac.compare_digest(mac, expected or b"") for mac in macs]
    if found is None or expected is None or not any(matches):
        raise refused_code(accounts.audit, identity, purpose)
    await accounts.rate_limits.forgive(*address_uses)
    return RightCode(found.id_hash, Guess(identity, code_guesses(source), not source.known, address_uses=()))


def refused_code(audit: AuditTrail, identity: Identity, purpose: Purpose) -> OtpInvalid:
    """Note the refusal in the audit trail and return the error to raise."""
    audit.note(_FAILED[purpose], identity=identity, how="code")
    return OtpInvalid()


async def sign_in_by_code(
    accounts: AccountsPorts,
    *,
    identity: Identity,
    code: str,
    challenge: str | None,
    signup_token: str | None,
    user_agent: str | None,
    client: Client,
) -> SignedIn:
    """Open a session with a code, creating the identity's account if it has none.

    A `signup_token` gives a new account its name and password. It does nothing to an existing account, so nobody can
    set the password of another person's account. A token that is expired, unknown or of another identity raises
    InvalidInput and leaves the code unspent, though one try is counted: otherwise the account would lack the password
    that its owner chose. Only a caller with the right code learns about the token and whether the account is new.
    Raises OtpInvalid, TooManyRequests, InvalidInput, and SignInSuspended, which spends the code too.
    """
    now = accounts.now()
    right = await try_code(
        accounts, identity=identity, purpose=Purpose.SIGN_IN, code=code, challenge=challenge, client=client
    )
    async with accounts.uow() as unit:
        if not await right.spend(unit, at=now):
            raise refused_code(accounts.audit, identity, Purpose.SIGN_IN)
        device_token = await remember_device(accounts, unit, identity=identity, now=now, known=client.device_token)
        account, created = await _find_or_create(accounts, unit, identity, signup_token, now)
        await refuse_suspended(accounts, unit, account)
        session, refresh_token = await open_session(
            accounts, unit, account_id=account.id, opened_by=OpenedBy.CODE, user_agent=user_agent, now=now
        )
        await unit.commit()
    return signed_in(accounts, account, session, refresh_token, device_token, created=created)


async def _find_challenge(
    accounts: AccountsPorts, identity: Identity, purpose: Purpose, challenge: str | None, client: Client
) -> Challenge | None:
    async with accounts.uow(read_only=True) as unit:
        if challenge is None:
            return await unit.challenges.latest(identity, purpose, block_of(accounts, client).name)
        found = await unit.challenges.get(token_hash(challenge))
    return found if found is not None and (found.identity, found.purpose) == (identity, purpose) else None


async def _count_try(accounts: AccountsPorts, challenge: Challenge, source: Source) -> bytes | None:
    """Count a try of the challenge, and a failure of the source that asked for it. Returns the MAC of the right code.

    The first try of a challenge is always allowed. Later ones end when that source has used up its free failures.
    """
    identity, name, now = challenge.identity, code_guesses(source), accounts.now()
    async with accounts.uow() as unit:
        failures = await unit.failures.lock(identity, name, now=now)
        limit = CODE_TRIES if failures.own < free_failures(failures) else 1
        expected = await unit.challenges.count_try(challenge.id_hash, limit=limit, now=now)
        if expected is None:
            return None
        notice = await count_failure(accounts, unit, identity, source, name, failures, now)
        await unit.commit()
    await queue_notice(accounts, notice)
    return expected


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
    new = Account(accounts.new_id(), identity, name, password_hash, created_at=now)
    account, created = await unit.accounts.find_or_add(new)
    if created:
        await restore_usage(accounts, unit, account_id=account.id, identity=identity, now=now)
        event = OutgoingEvent(
            accounts.new_id(),
            EventKind.ACCOUNT_CREATED,
            account.id,
            now,
            personal={identity.kind.value: identity.value},
        )
        await unit.outgoing_events.add(accounts.webhooks.deliveries(event, accounts.new_id))
    return account, created


def _code_mac(key: bytes, identity: Identity, purpose: Purpose, code: str) -> bytes:
    return keyed_hash(key, "code", purpose.value, str(identity), code)
