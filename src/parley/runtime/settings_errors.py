"""How a process ends that cannot start with its settings."""

import sys
from collections.abc import Generator
from contextlib import contextmanager

from parley.settings import SettingsError


@contextmanager
def exit_on_settings_error() -> Generator[None, None, None]:
    """End the process with one line instead of a traceback. The exit code is 2, as for a wrong command line."""
    try:
        yield
    except SettingsError as error:
        sys.stderr.write(f"parley: {error}\n")
        sys.exit(2)
