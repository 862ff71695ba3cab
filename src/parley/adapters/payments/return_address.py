"""The address to which a customer returns after paying."""

from urllib.parse import urlsplit, urlunsplit


def with_session_id(address: str, session_id: str) -> str:
    """Add the query parameter, unescaped, since Stripe replaces a placeholder in braces."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(query=f"{parts.query}&session_id={session_id}".lstrip("&")))
