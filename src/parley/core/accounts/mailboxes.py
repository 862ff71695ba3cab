"""Mailboxes: identities that reach the same person, which limits count as one.

An account has one identity, as its owner spells it. Only limits and quota go by mailbox: the reader of one mailbox may
have any number of addresses of it.
"""

from parley.core.accounts.model import Identity, IdentityKind

# Google's own rule: «Dots don't matter in Gmail addresses», and googlemail.com is gmail.com.
_WITHOUT_DOTS = {"gmail.com": "gmail.com", "googlemail.com": "gmail.com"}


def mailbox_of(identity: Identity) -> str:
    """A name of the mailbox or number, the same for all addresses of one mailbox.

    Those are sub-addresses (RFC 5233, `name+tag`), and addresses that differ in dots that their provider ignores.
    """
    if identity.kind is not IdentityKind.EMAIL:
        return str(identity)
    local, _, domain = identity.value.rpartition("@")
    # An address that begins with the sign has no name before it.
    local = local.partition("+")[0] or local
    if domain in _WITHOUT_DOTS:
        domain = _WITHOUT_DOTS[domain]
        local = local.replace(".", "")
    return f"{identity.kind.value}:{local}@{domain}"
