"""HTTP endpoints for resetting and changing a password."""

from typing import Annotated, Any

from litestar import Controller, Request, post
from litestar.params import JSONBody
from msgspec import Struct

from parley.adapters.http.accounts.identity import (
    IDENTITY_MISSING,
    PASSWORD_COMMON,
    GivenPassword,
    IdentityBody,
    NewPassword,
    Otp,
    identity_in,
)
from parley.adapters.http.accounts.sign_in import CodeAnswer, send
from parley.adapters.http.auth import BEARER, PUBLIC
from parley.adapters.http.errors import documented
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.ports import Ports
from parley.adapters.http.rate_limit import one_call_from_address
from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid, TokenInvalid
from parley.core.accounts.model import Caller, Purpose
from parley.core.accounts.password_change import change_password, reset_password


class ResetBody(IdentityBody, kw_only=True):
    """The code that was sent, and the new password."""

    otp: Otp
    new_password: NewPassword


class ChangePasswordBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """`current_password` may be left out in a session that a code opened less than 10 minutes ago."""

    current_password: GivenPassword | None = None
    new_password: NewPassword


class DoneAnswer(Struct):
    """A confirmation."""

    message: Annotated[str, described("For a person to read", "The password is set. Sign in with it.")]


class PasswordController(Controller):
    path = "/auth"
    tags = ("Sign-in",)

    @post(
        "/forgot-password",
        status_code=200,
        operation_id="forgotPassword",
        summary="Send a code for setting a new password",
        opt=PUBLIC,
        guards=(one_call_from_address,),
        responses=documented(IDENTITY_MISSING, 413, 415, 429),
    )
    async def forgot(self, data: JSONBody[IdentityBody], ports: Ports) -> CodeAnswer:
        """Answers the same, after the same time, for every valid identity. A new code voids the one before."""
        return await send(data, Purpose.RESET, ports)

    @post(
        "/reset-password",
        status_code=200,
        operation_id="resetPassword",
        summary="Set a new password with a code",
        opt=PUBLIC,
        guards=(one_call_from_address,),
        responses=documented(PASSWORD_COMMON, OtpInvalid(), 413, 415, 429),
    )
    async def reset(self, data: JSONBody[ResetBody], ports: Ports) -> DoneAnswer:
        """Ends all sessions of the account. If the password is refused (400), the code stays valid."""
        await reset_password(
            ports.accounts, identity=identity_in(data, ports), code=data.otp, new_password=data.new_password
        )
        return DoneAnswer("The password is set, and every session has ended. Sign in with it.")

    @post(
        "/change-password",
        status_code=200,
        operation_id="changePassword",
        summary="Change the password",
        security=BEARER,
        responses=documented(PASSWORD_COMMON, TokenInvalid(), CredentialsInvalid(), 413, 415, 429),
    )
    async def change(
        self, data: JSONBody[ChangePasswordBody], request: Request[Caller, Any, Any], ports: Ports
    ) -> DoneAnswer:
        """Ends all other sessions of the account. A wrong `current_password` is 401 `credentials_invalid`."""
        await change_password(
            ports.accounts,
            caller=request.user,
            current_password=data.current_password,
            new_password=data.new_password,
        )
        return DoneAnswer("The password is changed, and every other session has ended.")
