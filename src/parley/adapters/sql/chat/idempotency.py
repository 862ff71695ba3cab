"""Idempotency keys in SQL."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, delete, select

from parley.adapters.sql.engine.statements import Statement, Upsert, given
from parley.adapters.sql.engine.tables import Moment, idempotency_keys
from parley.adapters.sql.engine.unit_of_work import SqlStore
from parley.core.chat.model import IDEMPOTENCY_KEY_LIFE, IdempotencyKey

_use = ("reply_id", "fingerprint", "used_at")
_REMEMBER = Upsert(
    idempotency_keys,
    lambda insert: insert.values(given("room_id", "key", *_use)).on_conflict_do_update(
        index_elements=["room_id", "key"],
        set_={name: insert.excluded[name] for name in _use},
        where=idempotency_keys.c.used_at < bindparam("forgotten", type_=Moment),
    ),
)
_FIRST_USE = Statement(
    select(idempotency_keys.c.reply_id, idempotency_keys.c.fingerprint).where(
        idempotency_keys.c.room_id == bindparam("room"), idempotency_keys.c.key == bindparam("key")
    )
)
_FORGET = Statement(delete(idempotency_keys).where(idempotency_keys.c.used_at < bindparam("moment")))


class SqlIdempotencyKeys(SqlStore):
    async def remember(
        self, room_id: UUID, key: IdempotencyKey, reply_id: UUID, *, at: datetime
    ) -> tuple[UUID, bytes] | None:
        bound = await self._transaction.execute(
            _REMEMBER,
            room_id=room_id,
            key=key.value,
            reply_id=reply_id,
            fingerprint=key.fingerprint,
            used_at=at,
            forgotten=at - IDEMPOTENCY_KEY_LIFE,
        )
        if bound == 1:
            return None
        first_reply_id, fingerprint = await self._transaction.one_or_none(_FIRST_USE, room=room_id, key=key.value)
        return first_reply_id, fingerprint

    async def forget_before(self, moment: datetime) -> int:
        return await self._transaction.execute(_FORGET, moment=moment)
