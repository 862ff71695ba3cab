"""Choosing the database, and naming it to the operator."""

from sqlalchemy.engine import make_url

from parley.adapters.sql.engine.database import Database
from parley.settings import Settings, SettingsError


def open_database(settings: Settings) -> Database:
    """Connects at the first use. Raises SettingsError for an address that cannot be one."""
    try:
        return Database(settings.database_url)
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL: {error}") from error


def database_name(settings: Settings) -> str:
    """The database as an operator may see it: without the password."""
    return make_url(settings.database_url).set(query={}).render_as_string(hide_password=True)
