"""Request fields that identify an account or prove an identity, shared by several bodies."""

from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

from parley.adapters.http.openapi.fields import STORABLE, described
from parley.adapters.http.ports import HttpPorts
from parley.core.accounts.model import EMAIL_CHARACTERS, PASSWORD_LONGEST, PASSWORD_SHORTEST, Identity
from parley.core.accounts.profile import read_identity
from parley.core.errors import InvalidInput

MobileNumber = Annotated[
    str,
    Meta(max_length=64),
    described("In any common notation, with the country code", "+91 98765 43210", format="phone"),
]
Email = Annotated[
    str,
    Meta(max_length=EMAIL_CHARACTERS),
    described(
        "Case is ignored. An internationalized domain must be in its xn-- form", "mira@example.com", format="email"
    ),
]
Otp = Annotated[str, Meta(max_length=64), described("The one-time code", "123456")]
ChallengeId = Annotated[
    str,
    Meta(max_length=1_024),
    described(
        "The `challenge` of the response to the request for the code. Without it, only the newest code that the same "
        "network asked for is valid",
        "q7Jm2VbXcT0sLk8dTfW5yA",
    ),
]
DeviceToken = Annotated[
    str,
    Meta(max_length=1_024),
    described(
        "The `device_token` of an earlier sign-in on this device, which exempts it from limits that others can use up. "
        "A code that was asked for with it is valid only with its `challenge`",
        "Zk3RaXw9QmJ5uHc7tYbV1g",
    ),
]
HumanToken = Annotated[
    str,
    Meta(max_length=8_192),
    described(
        "The token of a human check such as Turnstile. Required where the operator turned it on, except with a valid "
        "`device_token`",
        "0.zT1hXoVbN4qW8zXc5tYhRk",
    ),
]
NewPassword = Annotated[
    str,
    Meta(min_length=PASSWORD_SHORTEST, max_length=PASSWORD_LONGEST),
    described(
        "Any text except common passwords and the account's own identity",
        "correct horse battery staple",
        format="password",
        pattern=STORABLE,
    ),
]
# Longer than a password may be: a wrong one of any length gets the same answer.
GivenPassword = Annotated[
    str, Meta(max_length=1_024), described("The current password", "correct horse battery staple", format="password")
]


# Examples of bodies in the OpenAPI document.
EMAIL_EXAMPLE = {"email": "mira@example.com"}
MOBILE_NUMBER_EXAMPLE = {"mobile_number": "+91 98765 43210"}
PASSWORD_EXAMPLE = "correct horse battery staple"  # noqa: S105
NEW_PASSWORD_EXAMPLE = {"new_password": "another horse entirely"}
SAME_CHALLENGE = {"otp": "$response.body#/otp", "challenge": "$response.body#/challenge"}
SAME_IDENTITY = {"email": "$request.body#/email", "mobile_number": "$request.body#/mobile_number"}

IDENTITY_MISSING = InvalidInput("mobile_number", "is missing: give either mobile_number or email")
PASSWORD_COMMON = InvalidInput(
    "new_password", "is among the most common passwords, which are tried first: choose another"
)


class IdentityBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """Exactly one of `mobile_number` and `email`."""

    mobile_number: MobileNumber | None = None
    email: Email | None = None

    # The same rule as JSON Schema. A field that is null counts as left out.
    extra_json_schema: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {
                "required": ["mobile_number"],
                "properties": {"mobile_number": {"type": "string"}, "email": {"type": "null"}},
            },
            {"required": ["email"], "properties": {"email": {"type": "string"}, "mobile_number": {"type": "null"}}},
        ]
    }


class CodeBody(IdentityBody, kw_only=True):
    """Exactly one of `mobile_number` and `email`, and the device token if the device has one."""

    device_token: DeviceToken | None = None
    human_token: HumanToken | None = None


def identity_in(body: IdentityBody, ports: HttpPorts) -> Identity:
    """Raises InvalidInput."""
    return read_identity(body.mobile_number, body.email, ports.accounts.mobile_numbers)
