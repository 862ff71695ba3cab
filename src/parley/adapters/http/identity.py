"""Who a request is about: the fields that several bodies share."""

from typing import Annotated

from msgspec import Meta, Struct

from parley.adapters.http.ports import HttpPorts
from parley.core.accounts.model import EMAIL_CHARACTERS, PASSWORD_LONGEST, PASSWORD_SHORTEST, Identity
from parley.core.accounts.profile import read_identity

MobileNumber = Annotated[
    str, Meta(max_length=64, description="In any readable form with its country code", examples=["+91 98765 43210"])
]
Email = Annotated[str, Meta(max_length=EMAIL_CHARACTERS, examples=["mira@example.com"])]
Otp = Annotated[str, Meta(max_length=64, description="The one-time code", examples=["123456"])]
NewPassword = Annotated[
    str,
    Meta(
        min_length=PASSWORD_SHORTEST,
        max_length=PASSWORD_LONGEST,
        description="Anything but the most common ones and what the account is known by",
        examples=["correct horse battery staple"],
    ),
]
# Longer than any that can be chosen: a wrong one is refused by its hash, and not for its length.
GivenPassword = Annotated[str, Meta(max_length=1_024, examples=["correct horse battery staple"])]


class WhoBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """Exactly one of `mobile_number` and `email`."""

    mobile_number: MobileNumber | None = None
    email: Email | None = None


def identity_in(who: WhoBody, ports: HttpPorts) -> Identity:
    """Raises InvalidInput."""
    return read_identity(who.mobile_number, who.email, ports.mobile_numbers)
