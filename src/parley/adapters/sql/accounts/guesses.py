"""Failed guesses and known devices, in SQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, delete, exists, insert, select, update

from parley.adapters.sql.engine.statements import Statement, Upsert, given
from parley.adapters.sql.engine.tables import guess_failures, known_devices
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.accounts.model import Failures, Identity

# The source of the row with the total. Every change of a row locks this row first, so changes wait for each other. It
# is inserted if it is missing, since a row that another transaction inserts meanwhile would be locked too late.
ALL = "all"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

_state = (guess_failures.c.failures, guess_failures.c.last_failed_at, guess_failures.c.notified_at)
_of_identity = guess_failures.c.identity == bindparam("who")
_this = (_of_identity, guess_failures.c.source == bindparam("by"))
_READ = Statement(select(*_state).where(*_this))
# The update changes nothing: it locks the row, which a select does only for one that exists.
_LOCK = Upsert(
    guess_failures,
    lambda insert: (
        insert.values(failures=0, **given("identity", "source", "last_failed_at"))
        .on_conflict_do_update(index_elements=["identity", "source"], set_={"failures": guess_failures.c.failures})
        .returning(*_state)
    ),
)
_ADD = Statement(
    update(guess_failures)
    .where(*_this)
    .values(failures=guess_failures.c.failures + bindparam("more"), last_failed_at=bindparam("at"))
)
_SUBTRACT = Statement(
    update(guess_failures).where(*_this).values(failures=guess_failures.c.failures - bindparam("fewer"))
)
_RESTORE = Statement(
    update(guess_failures)
    .where(*_this, guess_failures.c.last_failed_at == bindparam("at"))
    .values(last_failed_at=bindparam("earlier"))
)
_MARK = Statement(update(guess_failures).where(*_this).values(notified_at=bindparam("at")))
_REMOVE = Statement(delete(guess_failures).where(*_this).returning(guess_failures.c.failures))
_REMOVE_EMPTY = Statement(delete(guess_failures).where(*_this, guess_failures.c.failures <= 0))
_FORGET = Statement(delete(guess_failures).where(_of_identity))
_FORGET_BEFORE = Statement(delete(guess_failures).where(guess_failures.c.last_failed_at < bindparam("moment")))

_of_owner = known_devices.c.identity == bindparam("who")
_ADD_DEVICE = Statement(insert(known_devices).values(given("identity", "token_hash", "expires_at")))
_valid_device = (
    _of_owner,
    known_devices.c.token_hash == bindparam("token"),
    known_devices.c.expires_at > bindparam("now"),
)
_HAS_DEVICE = Statement(select(exists().where(*_valid_device)))
_RENEW_DEVICE = Statement(update(known_devices).where(*_valid_device).values(expires_at=bindparam("until")))
_FORGET_DEVICES = Statement(delete(known_devices).where(_of_owner))
_FORGET_EXPIRED_DEVICES = Statement(delete(known_devices).where(known_devices.c.expires_at <= bindparam("now")))


class SqlGuessFailures(SqlStore):
    async def read(self, identity: Identity, source: str, *, now: datetime) -> Failures:
        total = await self._transaction.one_or_none(_READ, who=str(identity), by=ALL)
        own = await self._transaction.one_or_none(_READ, who=str(identity), by=source)
        return _failures(own or (0, now, None), total or (0, now, None))

    async def lock(self, identity: Identity, source: str, *, now: datetime) -> Failures:
        total, own = [
            await self._transaction.one_or_none(_LOCK, identity=str(identity), source=name, last_failed_at=now)
            for name in (ALL, source)
        ]
        return _failures(own, total)

    async def add(self, identity: Identity, source: str, *, at: datetime, in_total: bool) -> None:
        await self._transaction.execute(_ADD, who=str(identity), by=source, at=at, more=1)
        if in_total:
            await self._transaction.execute(_ADD, who=str(identity), by=ALL, at=at, more=1)

    async def undo(self, identity: Identity, source: str, *, in_total: bool, at: datetime, earlier: datetime) -> None:
        for name, fewer in ((ALL, int(in_total)), (source, 1)):
            await self._transaction.execute(_SUBTRACT, who=str(identity), by=name, fewer=fewer)
        await self._transaction.execute(_RESTORE, who=str(identity), by=source, at=at, earlier=earlier)

    async def mark_notified(self, identity: Identity, *, at: datetime) -> None:
        await self._transaction.execute(_MARK, who=str(identity), by=ALL, at=at)

    async def clear(self, identity: Identity, source: str, *, in_total: bool) -> None:
        who = str(identity)
        await self._lock_all(who)
        failures = await self._transaction.scalar(_REMOVE, who=who, by=source)
        if failures and in_total:
            await self._transaction.execute(_SUBTRACT, who=who, by=ALL, fewer=failures)
        await self._transaction.execute(_REMOVE_EMPTY, who=who, by=ALL)

    async def forget(self, identity: Identity) -> None:
        who = str(identity)
        await self._lock_all(who)
        await self._transaction.execute(_FORGET, who=who)

    async def forget_before(self, moment: datetime) -> int:
        return await self._transaction.execute(_FORGET_BEFORE, moment=moment)

    async def _lock_all(self, who: str) -> None:
        """The caller removes the row in the same transaction if it is empty."""
        await self._transaction.one_or_none(_LOCK, identity=who, source=ALL, last_failed_at=_NEVER)


class SqlDevices(SqlStore):
    async def add(self, identity: Identity, token_hash: bytes, *, until: datetime) -> None:
        await self._transaction.execute(_ADD_DEVICE, identity=str(identity), token_hash=token_hash, expires_at=until)

    async def has(self, identity: Identity, token_hash: bytes, *, now: datetime) -> bool:
        found = await self._transaction.scalar(_HAS_DEVICE, who=str(identity), token=token_hash, now=now)
        return bool(found)

    async def renew(self, identity: Identity, token_hash: bytes, *, now: datetime, until: datetime) -> bool:
        values = {"who": str(identity), "token": token_hash, "now": now, "until": until}
        return await self._transaction.execute(_RENEW_DEVICE, **values) == 1

    async def forget(self, identity: Identity) -> None:
        await self._transaction.execute(_FORGET_DEVICES, who=str(identity))

    async def forget_expired(self, now: datetime) -> int:
        return await self._transaction.execute(_FORGET_EXPIRED_DEVICES, now=now)


def _failures(own: Any, total: Any) -> Failures:
    return Failures(own[0], own[1], total[0], notified=total[2] is not None)
