"""Which addresses are one client, for limits."""

from ipaddress import IPv4Address, IPv6Network, ip_address

# RFC 6177: a site is assigned at least a /64, so one client controls all addresses in it.
SITE_PREFIX = 64


def client_of(address: str) -> str:
    """What counts as one client: an IPv4 address, mapped to IPv6 or not, a /64 of IPv6, or any other text unchanged."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or IPv6Network((int(ip), SITE_PREFIX), strict=False))
