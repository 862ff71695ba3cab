"""How many files, and so connections, this process may have open."""

from contextlib import suppress
from importlib import import_module

# For databases, Redis, models, logs and the like.
RESERVED_FILES = 256
_AT_LEAST = 64
# macOS's OPEN_MAX, the most that it grants a process without more ado.
_ENOUGH = 10_240


def connections_within_file_limit(wanted: int) -> int:
    """Raise the process's limit of open files as far as allowed; returns how many connections fit, `wanted` at most.

    0 wants as many as possible. A connection beyond the limit of files could not even be refused: the server would
    stop accepting. Windows has no such limit, and no such module.
    """
    try:
        resource = import_module("resource")
    except ImportError:
        return wanted
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY:
        # macOS refuses a limit of «infinity» although it names one (setrlimit(2)).
        files = max(soft, _ENOUGH) if hard == resource.RLIM_INFINITY else hard
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    available = max(soft - RESERVED_FILES, _AT_LEAST)
    return int(min(wanted, available) if wanted else available)
