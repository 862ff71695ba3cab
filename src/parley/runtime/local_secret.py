"""The signing secret of a machine that was given none."""

import os
import secrets
from pathlib import Path

from parley.settings import SettingsError

FILE = Path(".parley-secret")


def local_secret(file: Path = FILE) -> str:
    """Made at the first start and kept in `file`, readable by its owner alone, so that sign-ins outlive a restart.

    Raises SettingsError when the folder is not writable.
    """
    try:
        if not file.exists():
            _make(file)
        return file.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(f"JWT_SECRET: is not set, and none can be kept in {file}: {error.strerror}.") from error


def _make(file: Path) -> None:
    """Of several processes that start at once one wins, and nobody reads half a secret."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
