"""The accounts module's storage in memory.

A unit of work changes copies and swaps them in on commit: what is not saved or not committed is lost, as in SQL.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from parley.core.accounts.model import Account, Challenge, Identity, Purpose, RefreshToken, Session, Signup
from parley.core.accounts.ports import AccountsUnit

_Key = TypeVar("_Key")
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class _Tables:
    accounts: dict[UUID, Account] = field(default_factory=dict)
    challenges: dict[tuple[Identity, Purpose], Challenge] = field(default_factory=dict)
    signups: dict[bytes, Signup] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    refresh_tokens: dict[bytes, RefreshToken] = field(default_factory=dict)

    def copy(self) -> "_Tables":
        return _Tables(
            dict(self.accounts),
            dict(self.challenges),
            dict(self.signups),
            dict(self.sessions),
            dict(self.refresh_tokens),
        )


class MemoryAccountsUnitOfWork:
    """Transactions over dictionaries of this process: one writer at a time, readers never wait."""

    def __init__(self) -> None:
        self._tables = _Tables()
        self._writers_turn = asyncio.Lock()

    @asynccontextmanager
    async def __call__(self, *, read_only: bool = False) -> AsyncGenerator[AccountsUnit, None]:
        turn: AbstractAsyncContextManager[Any] = nullcontext() if read_only else self._writers_turn
        async with turn:
            # A database lets others go on while it works: without that here, no two tasks would ever meet.
            await asyncio.sleep(0)
            yield MemoryAccountsUnit(self._tables.copy(), keep=None if read_only else self._keep)

    def _keep(self, tables: _Tables) -> None:
        self._tables = tables


class MemoryAccountsUnit:
    """The repositories of one transaction. `keep` is None in one that must not write."""

    def __init__(self, tables: _Tables, *, keep: Callable[[_Tables], None] | None) -> None:
        self._tables = tables
        self._keep = keep
        self.accounts = MemoryAccounts(tables)
        self.challenges = MemoryChallenges(tables.challenges)
        self.signups = MemorySignups(tables.signups)
        self.sessions = MemorySessions(tables)

    async def commit(self) -> None:
        if self._keep is None:
            raise RuntimeError("a read-only unit of work was to commit")
        await asyncio.sleep(0)
        self._keep(self._tables.copy())


class MemoryAccounts:
    def __init__(self, tables: _Tables) -> None:
        self._accounts = tables.accounts

    async def get(self, account_id: UUID) -> Account | None:
        return self._accounts.get(account_id)

    async def find(self, identity: Identity, *, keep: bool = False) -> Account | None:  # noqa: ARG002  one writer
        return next((account for account in self._accounts.values() if account.identity == identity), None)

    async def find_or_add(self, account: Account) -> tuple[Account, bool]:
        found = await self.find(account.identity)
        if found is not None:
            return found, False
        _add(self._accounts, account.id, account)
        return account, True

    async def rename(self, account_id: UUID, name: str | None) -> Account | None:
        account = self._accounts.get(account_id)
        if account is None:
            return None
        self._accounts[account_id] = replace(account, name=name)
        return self._accounts[account_id]

    async def replace_password(self, account_id: UUID, *, old: str, new: str) -> bool:
        account = self._accounts.get(account_id)
        if account is None or account.password_hash != old:
            return False
        self._accounts[account_id] = replace(account, password_hash=new)
        return True


class MemoryChallenges:
    def __init__(self, challenges: dict[tuple[Identity, Purpose], Challenge]) -> None:
        self._challenges = challenges

    async def put(self, challenge: Challenge) -> None:
        self._challenges[challenge.identity, challenge.purpose] = challenge

    async def count_try(self, identity: Identity, purpose: Purpose, *, limit: int, now: datetime) -> bytes | None:
        challenge = self._challenges.get((identity, purpose))
        if challenge is None or challenge.spent_at is not None:
            return None
        if challenge.expires_at <= now or challenge.tries >= limit:
            return None
        self._challenges[identity, purpose] = replace(challenge, tries=challenge.tries + 1)
        return challenge.code_mac

    async def spend(self, identity: Identity, purpose: Purpose, code_mac: bytes, *, at: datetime) -> bool:
        challenge = self._challenges.get((identity, purpose))
        if challenge is None or challenge.spent_at is not None or challenge.code_mac != code_mac:
            return False
        self._challenges[identity, purpose] = replace(challenge, spent_at=at)
        return True

    async def forget_expired(self, now: datetime) -> int:
        return _drop(self._challenges, lambda challenge: challenge.expires_at <= now)


class MemorySignups:
    def __init__(self, signups: dict[bytes, Signup]) -> None:
        self._signups = signups

    async def add(self, signup: Signup) -> None:
        _add(self._signups, signup.token_hash, signup)

    async def get(self, token_hash: bytes) -> Signup | None:
        return self._signups.get(token_hash)

    async def remove(self, token_hash: bytes) -> None:
        self._signups.pop(token_hash, None)

    async def forget_expired(self, now: datetime) -> int:
        return _drop(self._signups, lambda signup: signup.expires_at <= now)


class MemorySessions:
    def __init__(self, tables: _Tables) -> None:
        self._accounts = tables.accounts
        self._sessions = tables.sessions
        self._tokens = tables.refresh_tokens

    async def add(self, session: Session) -> None:
        if session.account_id not in self._accounts:
            raise LookupError("a session was to be added without its account")
        _add(self._sessions, session.id, session)

    async def get(self, session_id: UUID) -> Session | None:
        return self._sessions.get(session_id)

    async def extend(self, session_id: UUID, *, at: datetime, until: datetime) -> Session | None:
        session = self._sessions.get(session_id)
        if session is None or not session.live(at):
            return None
        self._sessions[session_id] = replace(session, last_used_at=at, expires_at=until)
        return self._sessions[session_id]

    async def end(self, session_id: UUID, *, at: datetime) -> bool:
        session = self._sessions.get(session_id)
        if session is None or session.ended_at is not None:
            return False
        self._sessions[session_id] = replace(session, ended_at=at)
        return True

    async def forget_before(self, moment: datetime) -> int:
        forgotten = _drop(
            self._sessions,
            lambda session: session.expires_at < moment or (session.ended_at is not None and session.ended_at < moment),
        )
        _drop(self._tokens, lambda token: token.session_id not in self._sessions)
        return forgotten

    async def add_token(self, token: RefreshToken) -> None:
        if token.session_id not in self._sessions:
            raise LookupError("a refresh token was to be added without its session")
        _add(self._tokens, token.token_hash, token)

    async def token(self, token_hash: bytes) -> RefreshToken | None:
        return self._tokens.get(token_hash)

    async def use_token(self, token_hash: bytes, *, at: datetime) -> UUID | None:
        token = self._tokens.get(token_hash)
        if token is None or token.used_at is not None:
            return None
        self._tokens[token_hash] = replace(token, used_at=at)
        return token.session_id


def _add(table: dict[_Key, _Row], key: _Key, row: _Row) -> None:
    if key in table:
        raise KeyError("a row was to be added under a key that is taken")
    table[key] = row


def _drop(table: dict[_Key, _Row], doomed: Callable[[_Row], bool]) -> int:
    keys = [key for key, row in table.items() if doomed(row)]
    for key in keys:
        del table[key]
    return len(keys)
