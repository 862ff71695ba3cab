"""Proof that the caller is the account's owner, asked for before a change that cannot be taken back.

An access token is not enough: it may be stolen, or from a device that was left unlocked.
"""

from datetime import datetime

from parley.core.accounts import AccountsPorts
from parley.core.accounts.errors import CredentialsInvalid, TokenInvalid
from parley.core.accounts.guesses import begin_password_guess, compare_password
from parley.core.accounts.model import PROOF_LIFE, Account, Caller, OpenedBy, Session
from parley.core.accounts.sources import SESSION
from parley.core.accounts.stores import AccountsUnit


async def read_caller(accounts: AccountsPorts, caller: Caller) -> tuple[Account, Session]:
    """The caller's account and session. Raises TokenInvalid when one of them is gone."""
    async with accounts.uow(read_only=True) as unit:
        account = await unit.accounts.get(caller.account_id)
        session = await unit.sessions.get(caller.session_id)
    if account is None or session is None:
        raise TokenInvalid
    return account, session


async def is_proven(
    accounts: AccountsPorts, account: Account, session: Session, *, current_password: str | None, now: datetime
) -> bool:
    """Whether the password is given or, without one, a code has opened the session within PROOF_LIFE.

    Raises CredentialsInvalid for a wrong password, TooManyRequests.
    """
    if current_password is None:
        return session.opened_by is OpenedBy.CODE and now - session.opened_at <= PROOF_LIFE
    # A session that was taken over must not lead to the password, however long it lasts.
    guess = await begin_password_guess(accounts, identity=account.identity, source=SESSION, client=None)
    if not await compare_password(accounts, guess, current_password, account.password_hash):
        raise CredentialsInvalid
    await guess.undo(accounts)
    return True


async def require_live(unit: AccountsUnit, session: Session, now: datetime) -> None:
    """Raises TokenInvalid when the session has ended meanwhile. Call it while the account is locked."""
    current = await unit.sessions.get(session.id)
    if current is None or not current.live(now):
        raise TokenInvalid
