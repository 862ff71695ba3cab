"""Column types that SQLite lacks: ids and times, as PostgreSQL's own types there.

Ours, since the packages that have them import an ORM and the dialects of other databases: 22 MB in each process.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Dialect
from sqlalchemy.dialects.postgresql import UUID as POSTGRESQL_UUID
from sqlalchemy.types import BINARY, TypeDecorator, TypeEngine


class GUID(TypeDecorator[UUID]):
    """An id: `uuid` in PostgreSQL, its 16 bytes in SQLite."""

    impl = BINARY(16)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(POSTGRESQL_UUID() if dialect.name == "postgresql" else BINARY(16))

    def process_bind_param(self, value: UUID | None, dialect: Dialect) -> UUID | bytes | None:
        return value if value is None or dialect.name == "postgresql" else value.bytes

    def process_result_value(self, value: UUID | bytes | None, _: Dialect) -> UUID | None:
        return UUID(bytes=value) if isinstance(value, bytes) else value


class DateTimeUTC(TypeDecorator[datetime]):
    """A time, in UTC: `timestamptz` in PostgreSQL, text without a zone in SQLite.

    A time without a zone raises TypeError, since it could be meant in any.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError("a time for the database needs a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
