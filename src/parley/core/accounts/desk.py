"""What an operator does with accounts of others. All of it is in the audit trail, with who did it, `by`."""

from uuid import UUID

from parley.core.accounts import AccountsPorts
from parley.core.accounts.directory import ListedAccount, read_search
from parley.core.accounts.erase import erase_account
from parley.core.accounts.errors import AccountNotFound, TokenInvalid
from parley.core.accounts.model import Account, AuditEvent
from parley.core.errors import InvalidInput


async def list_accounts(
    accounts: AccountsPorts, *, search: str | None, plan: str | None, cursor: str | None, limit: int, by: str
) -> tuple[list[ListedAccount], str | None]:
    """A page of the accounts that match, and the `cursor` of the next page, if there is one.

    Without `search` the newest come first, otherwise they are ordered by their identity; see `read_search`. With `plan`
    only accounts on that plan. Raises InvalidInput.
    """
    found = await _matching(accounts, search, plan, cursor, limit + 1)
    shown = found[:limit]
    accounts.audit.note(AuditEvent.ACCOUNTS_LISTED, by=by, account_ids=tuple(each.account.id for each in shown))
    if len(found) <= limit:
        return shown, None
    last = shown[-1].account
    return shown, last.id.hex if search is None else last.identity.value


async def read_other_account(accounts: AccountsPorts, *, account_id: UUID, by: str) -> Account:
    """Raises AccountNotFound."""
    account = await _existing(accounts, account_id)
    accounts.audit.note(AuditEvent.ACCOUNT_READ, identity=account.identity, account_id=account_id, by=by)
    return account


async def suspend_account(accounts: AccountsPorts, *, account_id: UUID, by: str) -> None:
    """Suspend the account: every process refuses its tokens within a second, and nobody signs in to it.

    Its sessions are there again after `resume_account`, its API keys are not. Replies that were accepted before are
    finished. A no-op for a suspended one. Raises AccountNotFound.
    """
    async with accounts.uow() as unit:
        if not await unit.suspensions.suspend(account_id, at=accounts.now()):
            raise AccountNotFound
        await unit.commit()
    accounts.revocations.remember_account(account_id, suspended=True)
    accounts.audit.note(AuditEvent.ACCOUNT_SUSPENDED, account_id=account_id, by=by)


async def resume_account(accounts: AccountsPorts, *, account_id: UUID, by: str) -> None:
    """End the suspension, if there is one, and revoke the API keys from before it. Raises AccountNotFound."""
    now = accounts.now()
    async with accounts.uow() as unit:
        suspended = await unit.suspensions.has(account_id)
        if not await unit.suspensions.resume(account_id):
            raise AccountNotFound
        keys = await unit.api_keys.remove_all(account_id) if suspended else []
        await accounts.revocations.write(unit, keys, now)
        await unit.commit()
    accounts.revocations.remember(keys, now)
    accounts.revocations.remember_account(account_id, suspended=False)
    accounts.audit.note(AuditEvent.ACCOUNT_RESUMED, account_id=account_id, by=by)


async def end_all_sessions(accounts: AccountsPorts, *, account_id: UUID, by: str) -> int:
    """End all sessions of the account and forget its devices; returns how many sessions. Raises AccountNotFound."""
    now = accounts.now()
    account = await _existing(accounts, account_id)
    async with accounts.uow() as unit:
        await unit.devices.forget(account.identity)
        if await unit.accounts.lock(account_id) is None:
            raise AccountNotFound
        ended = await unit.sessions.end_all(account_id, at=now)
        await accounts.revocations.write(unit, ended, now)
        await unit.commit()
    accounts.revocations.remember(ended, now)
    accounts.audit.note(AuditEvent.SESSIONS_ENDED, identity=account.identity, account_id=account_id, by=by)
    return len(ended)


async def erase_other_account(accounts: AccountsPorts, *, account_id: UUID, by: str) -> None:
    """As its owner would erase it, without their proof. Raises AccountNotFound."""
    try:
        await erase_account(accounts, account_id=account_id, by=by)
    except TokenInvalid as error:
        raise AccountNotFound from error


async def _existing(accounts: AccountsPorts, account_id: UUID) -> Account:
    async with accounts.uow(read_only=True) as unit:
        account = await unit.accounts.get(account_id)
    if account is None:
        raise AccountNotFound
    return account


async def _matching(
    accounts: AccountsPorts, search: str | None, plan: str | None, cursor: str | None, limit: int
) -> list[ListedAccount]:
    if search is None:
        return await accounts.directory.newest(plan=plan, before=_id_in(cursor), limit=limit)
    wanted = read_search(search)
    if isinstance(wanted, UUID):
        found = await accounts.directory.with_id(wanted, plan=plan)
        return [] if found is None else [found]
    return await accounts.directory.starting_with(wanted, plan=plan, after=cursor, limit=limit)


def _id_in(cursor: str | None) -> UUID | None:
    if cursor is None:
        return None
    try:
        return UUID(cursor)
    except ValueError as error:
        raise InvalidInput("cursor", "is not a next_cursor of this list") from error
