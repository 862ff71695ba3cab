"""Signing up with a password, and logging in with it.

A password is hashed exactly as it was received (ASVS 6.2.8).
"""

from dataclasses import dataclass, field

from parley.core.accounts import AccountsPorts
from parley.core.accounts.errors import CredentialsInvalid
from parley.core.accounts.guesses import PasswordGuess, begin_password_guess, compare_password
from parley.core.accounts.human_checks import HumanStep, require_human
from parley.core.accounts.model import (
    SIGNUP_LIFE,
    Account,
    AuditEvent,
    Identity,
    OpenedBy,
    SignedIn,
    Signup,
    token_hash,
)
from parley.core.accounts.profile import check_name, find_account
from parley.core.accounts.send_limits import check_reached
from parley.core.accounts.sessions import open_session, refuse_suspended, signed_in
from parley.core.accounts.sources import Client, block_of, remember_device, source_of
from parley.core.errors import Overloaded


@dataclass(frozen=True, slots=True)
class SignupStarted:
    """`signup_token` goes with the code for the same identity, within `expires_in` seconds."""

    signup_token: str = field(repr=False)
    expires_in: int


async def sign_up(
    accounts: AccountsPorts,
    *,
    identity: Identity,
    name: str | None,
    password: str | None,
    client: Client,
    human_token: str | None = None,
) -> SignupStarted:
    """Store the name and password for a new account until a code proves the identity.

    It never looks up whether the identity has an account, so neither the result nor its time can reveal that. Raises
    InvalidInput, also for an identity that no sender reaches, TooManyRequests, and what `require_human` raises.
    """
    if name is not None:
        check_name(name)
    if password is not None:
        accounts.password_rules.check("password", password, identity)
    check_reached(accounts, identity)
    await require_human(accounts.human_checks, HumanStep.SIGN_UP, token=human_token, address=client.address)
    limits, block = accounts.rate_limits, block_of(accounts, client)
    await limits.take("signup", identity, *limits.attempts("signup", identity, block.name))
    password_hash = None if password is None else await accounts.passwords.hash(password)
    signup_token = accounts.new_token()
    expires_at = accounts.now() + SIGNUP_LIFE
    async with accounts.uow() as unit:
        await unit.signups.add(Signup(token_hash(signup_token), identity, name, password_hash, expires_at))
        await unit.commit()
    accounts.audit.note(AuditEvent.SIGNED_UP, identity=identity)
    return SignupStarted(signup_token, int(SIGNUP_LIFE.total_seconds()))


async def log_in(
    accounts: AccountsPorts, *, identity: Identity, password: str, user_agent: str | None, client: Client
) -> SignedIn:
    """Open a session with the account's password.

    Raises TooManyRequests; CredentialsInvalid, after the same work for every cause; SignInSuspended.
    """
    now = accounts.now()
    source = await source_of(accounts, identity=identity, client=client)
    guess = await begin_password_guess(accounts, identity=identity, source=source, client=client)
    while True:
        account, verified = await _verify(accounts, identity, password, guess)
        current = await _rehashed(accounts, password, verified)
        async with accounts.uow() as unit:
            await guess.forget(unit)
            await refuse_suspended(accounts, unit, account)
            device_token = await remember_device(accounts, unit, identity=identity, now=now, known=client.device_token)
            if not await unit.accounts.replace_password(account.id, old=verified, new=current):
                # The password was replaced since it was read, so it must be verified again.
                continue
            session, refresh_token = await open_session(
                accounts, unit, account_id=account.id, opened_by=OpenedBy.PASSWORD, user_agent=user_agent, now=now
            )
            await unit.commit()
        await accounts.rate_limits.forgive(*guess.address_uses)
        return signed_in(accounts, account, session, refresh_token, device_token, created=False)


async def _rehashed(accounts: AccountsPorts, password: str, verified: str) -> str:
    """A hash with today's parameters. The old one where it has them already or there is no time now."""
    if not accounts.passwords.needs_rehash(verified):
        return verified
    try:
        return await accounts.passwords.hash(password)
    except Overloaded:
        return verified


async def _verify(
    accounts: AccountsPorts, identity: Identity, password: str, guess: PasswordGuess
) -> tuple[Account, str]:
    """The account, and the stored hash that matched the password. Raises CredentialsInvalid."""
    account = await find_account(accounts, identity)
    password_hash = None if account is None else account.password_hash
    matches = await compare_password(accounts, guess, password, password_hash)
    if account is None or password_hash is None or not matches:
        accounts.audit.note(AuditEvent.SIGN_IN_FAILED, identity=identity, how="password")
        raise CredentialsInvalid
    return account, password_hash
