"""Rows of the accounts module in memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from parley.core.accounts.model import Account, Challenge, Delivery, Identity, Purpose, RefreshToken, Session, Signup

_Key = TypeVar("_Key")
_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class AccountTables:
    """Rows by their key; a delivery with when it may be claimed, a revocation as its end and when it was written."""

    accounts: dict[UUID, Account] = field(default_factory=dict)
    challenges: dict[tuple[Identity, Purpose], Challenge] = field(default_factory=dict)
    deliveries: dict[UUID, tuple[Delivery, datetime]] = field(default_factory=dict)
    signups: dict[bytes, Signup] = field(default_factory=dict)
    sessions: dict[UUID, Session] = field(default_factory=dict)
    refresh_tokens: dict[bytes, RefreshToken] = field(default_factory=dict)
    revocations: dict[UUID, tuple[datetime, datetime]] = field(default_factory=dict)

    def copy(self) -> "AccountTables":
        return AccountTables(
            dict(self.accounts),
            dict(self.challenges),
            dict(self.deliveries),
            dict(self.signups),
            dict(self.sessions),
            dict(self.refresh_tokens),
            dict(self.revocations),
        )


def add(table: dict[_Key, _Row], key: _Key, row: _Row) -> None:
    if key in table:
        raise KeyError("a row was to be added under a key that is taken")
    table[key] = row


def drop(table: dict[_Key, _Row], doomed: Callable[[_Row], bool]) -> int:
    keys = [key for key, row in table.items() if doomed(row)]
    for key in keys:
        del table[key]
    return len(keys)
