"""A signing secret for a machine on which JWT_SECRET is not set."""

import os
import secrets
from pathlib import Path

from parley.settings import SettingsError

FILE = Path(".parley-secret")


def local_secret(file: Path = FILE) -> str:
    """The secret in `file`, which only its owner can read; the first start makes it.

    It is stored so that sessions outlive a restart. Raises SettingsError when the folder cannot be written.
    """
    try:
        if not file.exists():
            _make(file)
        return file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(
            f"JWT_SECRET: is not set, and a secret cannot be stored in {file}: {error.strerror}."
        ) from error


def _make(file: Path) -> None:
    """Of several processes that start at once one makes the file, and no process reads half a secret."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
