"""The headers that every response has for the safety of browsers (OWASP ASVS 5, 3.4)."""

Header = tuple[bytes, bytes]

_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-site"),
)
# A response that sends one of these itself keeps its own.
DEFAULT_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
)
# For a year.
_STRICT_TRANSPORT_SECURITY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


def security_headers(*, https: bool) -> tuple[Header, ...]:
    """`https` says that clients reach this server by HTTPS only."""
    return (*_ALWAYS, _STRICT_TRANSPORT_SECURITY) if https else _ALWAYS
