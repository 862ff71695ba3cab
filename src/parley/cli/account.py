"""`parley account`, `parley plan` and `parley key`: what an operator does with accounts, directly in the database.

The server may run meanwhile: its processes read from the database who is suspended and which sessions have ended.
"""

import getpass
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import click

from parley.bootstrap import Parley, bootstrap
from parley.bootstrap.database import require_schema
from parley.core.accounts.api_keys import meter_key
from parley.core.accounts.desk import (
    end_all_sessions,
    erase_other_account,
    list_accounts,
    read_other_account,
    resume_account,
    suspend_account,
)
from parley.core.accounts.model import Account, AuditEvent
from parley.core.accounts.profile import find_account, read_identity
from parley.core.billing.usage import override_plan
from parley.core.errors import DomainError
from parley.core.plans import OF_PAYMENTS
from parley.settings import Settings, SettingsError

MOST_FOUND = 100


def operator() -> str:
    """Who does it, in the audit trail: the user of this machine, by number where it has no name, as in containers."""
    try:
        name = getpass.getuser()
    # KeyError before Python 3.13.
    except (OSError, KeyError):
        name = str(os.getuid())
    return f"cli:{name}"


async def find(settings: Settings, search: str | None, plan: str | None) -> int:
    """Print a line for each account that matches, and say on standard error if there are more than MOST_FOUND.

    Returns how many lines.
    """
    async with _opened(settings) as parley:
        if plan is not None and parley.billing.plans.get(plan) is None:
            raise SettingsError(f"There is no plan {plan}.")
        found, following = await list_accounts(
            parley.accounts, search=search, plan=plan, cursor=None, limit=MOST_FOUND, by=operator()
        )
    for each in found:
        account, state = each.account, "suspended" if each.account.suspended_at else "active"
        click.echo(f"{account.id}  {account.identity.value}  {each.plan}  {state}  {account.created_at:%Y-%m-%d}")
    if following is not None:
        click.echo(f"There are more than these {MOST_FOUND}.", err=True)
    return len(found)


async def suspend(settings: Settings, who: str) -> None:
    async with _opened(settings) as parley:
        await suspend_account(parley.accounts, account_id=await _id_of(parley, who), by=operator())


async def resume(settings: Settings, who: str) -> None:
    async with _opened(settings) as parley:
        await resume_account(parley.accounts, account_id=await _id_of(parley, who), by=operator())


async def set_metering(settings: Settings, key_id: UUID, *, unmetered: bool) -> None:
    async with _opened(settings) as parley:
        await meter_key(parley.accounts, key_id=key_id, unmetered=unmetered, by=operator())


async def end_sessions(settings: Settings, who: str) -> int:
    """Returns how many."""
    async with _opened(settings) as parley:
        return await end_all_sessions(parley.accounts, account_id=await _id_of(parley, who), by=operator())


async def erase(settings: Settings, who: str) -> None:
    async with _opened(settings) as parley:
        account_id = await _id_of(parley, who)
        await erase_other_account(parley.accounts, account_id=account_id, by=operator())
        await parley.chat.room_list_cache.drop(account_id)


async def set_plan(settings: Settings, who: str, plan: str) -> None:
    """`plan` is the name of one, or auto for what payments say."""
    async with _opened(settings) as parley:
        account = await _account(parley, who)
        await override_plan(parley.billing, account_id=account.id, plan=None if plan == OF_PAYMENTS else plan)
        parley.accounts.audit.note(
            AuditEvent.PLAN_OVERRIDDEN, identity=account.identity, account_id=account.id, how=plan, by=operator()
        )


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncGenerator[Parley, None]:
    """Raises SettingsError for what a person can correct: the database, or what they asked for."""
    parley = bootstrap(settings)
    try:
        async with parley.closing():
            await require_schema(settings, parley.database)
            yield parley
    except DomainError as error:
        raise SettingsError(str(error)) from error


async def _id_of(parley: Parley, who: str) -> UUID:
    return (await _account(parley, who)).id


async def _account(parley: Parley, who: str) -> Account:
    """The account of an id, a whole number or a whole address. Raises SettingsError, or InvalidInput."""
    by_id = _id_in(who)
    if by_id is not None:
        return await read_other_account(parley.accounts, account_id=by_id, by=operator())
    email = who if "@" in who else None
    identity = read_identity(None if email else who, email, parley.accounts.mobile_numbers)
    account = await find_account(parley.accounts, identity)
    if account is None:
        raise SettingsError(f"There is no account of {who}.")
    return account


def _id_in(who: str) -> UUID | None:
    try:
        return UUID(who) if "-" in who else None
    except ValueError:
        return None
