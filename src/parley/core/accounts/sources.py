"""Who sends a request, as far as limits can tell: a device that its owner has signed in with, or an address block.

Limits count by source first, so what strangers use up is their own.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from parley.core.accounts import AccountsPorts
from parley.core.accounts.model import Identity, keyed_hash, token_hash
from parley.core.accounts.stores import AccountsUnit

# How long a device is known after its last sign-in.
DEVICE_LIFE = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Client:
    """A client's address, the address block that contains it, and the device token that it sent."""

    address: str
    block: str
    device_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Source:
    """`name` is what is stored; it contains no address. Only a device with a valid token is `known`."""

    name: str
    known: bool


def stored_source(name: str) -> Source:
    return Source(name, known=not name.startswith("block:"))


# The holder of a session, which strangers do not have.
SESSION = Source("session", known=True)


async def source_of(accounts: AccountsPorts, *, identity: Identity, client: Client) -> Source:
    """The device if its token is one of this identity, otherwise the address block."""
    hashed = token_hash(client.device_token or "")
    async with accounts.uow(read_only=True) as unit:
        if await unit.devices.has(identity, hashed, now=accounts.now()):
            return Source(f"device:{hashed.hex()[:40]}", known=True)
    return block_of(accounts, client)


def block_of(accounts: AccountsPorts, client: Client) -> Source:
    return Source(f"block:{keyed_hash(accounts.rate_limits.key, 'block', client.block).hex()[:40]}", known=False)


async def remember_device(
    accounts: AccountsPorts, unit: AccountsUnit, *, identity: Identity, now: datetime, known: str | None
) -> str:
    """The token of the device that signs in: `known`, renewed, if the device has a valid one, or a new one."""
    until = now + DEVICE_LIFE
    if known is not None and await unit.devices.renew(identity, token_hash(known), now=now, until=until):
        return known
    token = accounts.new_token()
    await unit.devices.add(identity, token_hash(token), until=until)
    return token
