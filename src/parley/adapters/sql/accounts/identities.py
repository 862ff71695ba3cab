"""How tables that have no account spell an identity: as `str(identity)` does."""

from parley.core.accounts.model import Identity, IdentityKind


def read_identity(text: str) -> Identity:
    kind, _, value = text.partition(":")
    return Identity(IdentityKind(kind), value)
