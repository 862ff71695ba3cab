"""What all tables share: their metadata and the types of ids and times."""

from sqlalchemy import MetaData

from parley.adapters.sql.engine.column_types import GUID, DateTimeUTC

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Moment = DateTimeUTC(timezone=True)
Id = GUID()
