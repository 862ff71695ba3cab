"""Reading the settings: the only code that reads the environment.

Every field is set by the variable of the same name in capitals, in the environment or in `.env` in the working folder,
the environment winning. A secret may also come from the file that NAME_FILE names, as container platforms provide it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from dotenv import dotenv_values

from parley.settings.checks import check
from parley.settings.model import SECRETS, Settings, SettingsError


def read_settings(environment: Mapping[str, str] | None = None, *, dotenv: Path = Path(".env")) -> Settings:
    """Settings out of the environment (this process's unless given) and `dotenv`. Raises SettingsError."""
    given = {name: value for name, value in _read(dotenv).items() if value is not None}
    given |= os.environ if environment is None else environment
    values = {}
    for field in msgspec.structs.fields(Settings):
        name = field.name.upper()
        value = _secret(name, given) if name in SECRETS else given.get(name, "")
        if value.strip():
            values[field.name] = _words(value) if field.name in _LISTS else value.strip()
    settings = _typed(values)
    check(settings)
    return settings


def read_secret(source: str, *, dotenv: Path = Path(".env")) -> str:
    """What `env:VARIABLE` or `file:PATH` names in parley.toml; a variable may be in `dotenv` as settings are.

    Raises SettingsError if there is nothing, or the file cannot be read as text.
    """
    kind, _, where = source.partition(":")
    try:
        value = os.environ.get(where) or _read(dotenv).get(where) if kind == "env" else Path(where).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the file {where} cannot be read as text.") from error
    if not value or not value.strip():
        raise SettingsError(f"{source} is not set.")
    return value.strip()


def _read(dotenv: Path) -> dict[str, str | None]:
    try:
        return dotenv_values(dotenv)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(".env: the file cannot be read as text.") from error


def _secret(name: str, given: Mapping[str, str]) -> str:
    file = given.get(f"{name}_FILE")
    if not file:
        return given.get(name, "")
    if given.get(name):
        raise SettingsError(f"{name} and {name}_FILE are both set: keep one.")
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}_FILE: the file it names cannot be read as text.") from error


def _words(value: str) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()]


def _typed(values: Mapping[str, Any]) -> Settings:
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        wrong, _, path = str(error).partition(" - at `$.")
        name = path.rstrip("`").partition("[")[0]
        if name.upper() in SECRETS:
            wrong = "is not valid"
        choices = _choices(name)
        raise SettingsError(f"{name.upper()}: {f'choose one of {choices}' if choices else wrong}.") from error


def _choices(name: str) -> str:
    kind = _TYPES.get(name)
    if get_origin(kind) is tuple:
        kind = get_args(kind)[0]
    return ", ".join(get_args(kind)) if get_origin(kind) is Literal else ""


_TYPES = get_type_hints(Settings)
_LISTS = frozenset(name for name, kind in _TYPES.items() if get_origin(kind) is tuple)
