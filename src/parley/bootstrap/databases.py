"""Which database, and how it is named to the operator."""

from sqlalchemy.engine import make_url

from parley.adapters.sql.database import Database
from parley.settings import Settings, SettingsError


def open_database(settings: Settings) -> Database:
    """Connections come with the first use. Raises SettingsError for an address that cannot be one."""
    try:
        return Database(settings.database_url.replace("sqlite:///", "sqlite+aiosqlite:///", 1))
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL: {error}") from error


def database_name(settings: Settings) -> str:
    """The database in words that hold no password."""
    return make_url(settings.database_url).set(query={}).render_as_string(hide_password=True)
