"""Addresses of servers with a password in them."""

import re
from urllib.parse import urlsplit

from parley.settings.model import SettingsError

# One @ at most, and before the path: else a part of the password would be read as a host, a database or a parameter.
_UNAMBIGUOUS = re.compile(r"[a-z+]+://(?:[^@/?#\[\]]*@)?[^@/?#]*(?:/[^@?#]*)?(?:\?[^@#]*)?")


def check_address(name: str, address: str) -> None:
    """Raises SettingsError for an address that can be read in two ways, before any part of it gets into a message."""
    if _UNAMBIGUOUS.fullmatch(address) is None or not _has_valid_port(address):
        raise SettingsError(
            f"{name}: cannot be read: write user:password@host:port with one host, and special characters in the user "
            "name and password as %XX: @ is %40, / is %2F, : is %3A, # is %23 and ? is %3F."
        )


def _has_valid_port(address: str) -> bool:
    try:
        _ = urlsplit(address).port
    except ValueError:
        return False
    return True
