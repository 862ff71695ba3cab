"""Failed guesses and known devices in memory."""

from dataclasses import dataclass, replace
from datetime import datetime

from parley.core.accounts.model import Failures, Identity
from tests.fakes.database import add, delete_where

Rows = dict[tuple[Identity, str], "FailureRow"]
ALL = "all"


@dataclass(frozen=True, slots=True)
class FailureRow:
    identity: Identity
    failures: int
    last_failed_at: datetime
    notified: bool = False


class FakeGuessFailures:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def read(self, identity: Identity, source: str, *, now: datetime) -> Failures:
        none = FailureRow(identity, 0, now)
        own, total = (self._rows.get((identity, name), none) for name in (source, ALL))
        return Failures(own.failures, own.last_failed_at, total.failures, total.notified)

    async def lock(self, identity: Identity, source: str, *, now: datetime) -> Failures:
        for name in (ALL, source):
            self._rows.setdefault((identity, name), FailureRow(identity, 0, now))
        return await self.read(identity, source, now=now)

    async def add(self, identity: Identity, source: str, *, at: datetime, in_total: bool) -> None:
        for name in (source, ALL) if in_total else (source,):
            row = self._rows[identity, name]
            self._rows[identity, name] = replace(row, failures=row.failures + 1, last_failed_at=at)

    async def undo(self, identity: Identity, source: str, *, in_total: bool, at: datetime, earlier: datetime) -> None:
        for name in (source, ALL) if in_total else (source,):
            if (row := self._rows.get((identity, name))) is not None:
                self._rows[identity, name] = replace(row, failures=row.failures - 1)
        if (own := self._rows.get((identity, source))) is not None and own.last_failed_at == at:
            self._rows[identity, source] = replace(own, last_failed_at=earlier)

    async def mark_notified(self, identity: Identity, *, at: datetime) -> None:  # noqa: ARG002
        self._rows[identity, ALL] = replace(self._rows[identity, ALL], notified=True)

    async def clear(self, identity: Identity, source: str, *, in_total: bool) -> None:
        own, total = self._rows.pop((identity, source), None), self._rows.get((identity, ALL))
        if total is None:
            return
        fewer = own.failures if own is not None and in_total else 0
        self._rows[identity, ALL] = replace(total, failures=total.failures - fewer)
        if total.failures <= fewer:
            del self._rows[identity, ALL]

    async def forget(self, identity: Identity) -> None:
        delete_where(self._rows, lambda row: row.identity == identity)

    async def forget_before(self, moment: datetime) -> int:
        return delete_where(self._rows, lambda row: row.last_failed_at < moment)


class FakeDevices:
    def __init__(self, devices: dict[bytes, tuple[Identity, datetime]]) -> None:
        self._devices = devices

    async def add(self, identity: Identity, token_hash: bytes, *, until: datetime) -> None:
        add(self._devices, token_hash, (identity, until))

    async def has(self, identity: Identity, token_hash: bytes, *, now: datetime) -> bool:
        owner, until = self._devices.get(token_hash, (None, now))
        return owner == identity and until > now

    async def renew(self, identity: Identity, token_hash: bytes, *, now: datetime, until: datetime) -> bool:
        valid = await self.has(identity, token_hash, now=now)
        if valid:
            self._devices[token_hash] = (identity, until)
        return valid

    async def forget(self, identity: Identity) -> None:
        delete_where(self._devices, lambda row: row[0] == identity)

    async def forget_expired(self, now: datetime) -> int:
        return delete_where(self._devices, lambda row: row[1] <= now)
