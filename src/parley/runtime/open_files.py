"""How many files, and so connections, this process may have open."""

from importlib import import_module

# For databases, Redis, models, logs and the like.
RESERVED_FILES = 256
_AT_LEAST = 64


def connections_within_file_limit(wanted: int) -> int:
    """Raise the process's limit of open files as far as allowed; returns how many connections fit, `wanted` at most.

    0 wants as many as possible. A connection beyond the limit of files could not even be refused: the server would
    stop accepting. Windows has no such limit, and no such module.
    """
    try:
        resource = import_module("resource")
    except ImportError:
        return wanted
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard == resource.RLIM_INFINITY:
        return wanted
    available = max(hard - RESERVED_FILES, _AT_LEAST)
    return int(min(wanted, available) if wanted else available)
