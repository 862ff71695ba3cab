"""Addresses of servers with a password in them."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

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


# Of what the client library reads, the parameters that concern an operator; others would change what parley relies on.
_REDIS_TLS = {
    "ssl_ca_certs": "the file of the certificate authority",
    "ssl_certfile": "the file of parley's own certificate",
    "ssl_keyfile": "the file of its key",
    "ssl_cert_reqs": "required or none",
    "ssl_check_hostname": "true or false",
}
_REDIS_CHOICES = {"ssl_cert_reqs": ("required", "none"), "ssl_check_hostname": ("true", "false")}


def check_redis_address(address: str) -> None:
    """Raises SettingsError for an address that names no Redis, or a part of which would have no effect."""
    scheme, _, _ = address.partition("://")
    if scheme not in {"redis", "rediss", "unix"} or scheme == address:
        raise SettingsError("REDIS_URL: begin with redis://, rediss:// or unix://.")
    check_address("REDIS_URL", address)
    parts = urlsplit(address)
    parameters = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if scheme == "unix":
        if not parts.path:
            raise SettingsError("REDIS_URL: name the path of the socket after unix://.")
    elif re.fullmatch("/?[0-9]*", parts.path) is None:
        raise SettingsError("REDIS_URL: after the port only the number of a database can follow, such as /0.")
    _check_redis_parameters(scheme, parameters)


def _check_redis_parameters(scheme: str, parameters: dict[str, str]) -> None:
    known = {"rediss": _REDIS_TLS, "unix": {"db": "the number of the database"}}.get(scheme, {})
    for name, value in parameters.items():
        if name not in known:
            usable = (
                f"use {', '.join(f'{each} ({what})' for each, what in known.items())}" if known else "leave all out"
            )
            # Not the name itself, which may be a part of a password.
            raise SettingsError(f"REDIS_URL: has a parameter without a meaning for {scheme}://: {usable}.")
        if name in _REDIS_CHOICES and value not in _REDIS_CHOICES[name]:
            raise SettingsError(f"REDIS_URL: {name} is {' or '.join(_REDIS_CHOICES[name])}.")
        if name == "db" and not value.isdecimal():
            raise SettingsError("REDIS_URL: db is the number of a database.")
        if name in {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"} and not Path(value).is_file():
            raise SettingsError(f"REDIS_URL: {name} names no file that can be read.")


def _has_valid_port(address: str) -> bool:
    try:
        _ = urlsplit(address).port
    except ValueError:
        return False
    return True
