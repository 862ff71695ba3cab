"""HTTP endpoints for resetting and changing a password."""

from typing import Annotated, Any

from litestar import Controller, Request, post
from litestar.params import JSONBody
from msgspec import Struct

from parley.adapters.http.accounts.identity import (
    EMAIL_EXAMPLE,
    IDENTITY_MISSING,
    NEW_PASSWORD_EXAMPLE,
    PASSWORD_COMMON,
    PASSWORD_EXAMPLE,
    SAME_CHALLENGE,
    SAME_IDENTITY,
    ChallengeId,
    CodeBody,
    GivenPassword,
    IdentityBody,
    NewPassword,
    Otp,
    identity_in,
)
from parley.adapters.http.accounts.sign_in import CodeAnswer, send
from parley.adapters.http.auth import BEARER, PUBLIC, AuthenticatedRequest
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.openapi.operation import link, operation
from parley.adapters.http.ports import Ports
from parley.adapters.http.rate_limits.address import limit_by_address, requesting_client
from parley.adapters.http.server.client_left import CancelWhenClientLeaves
from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid, TokenInvalid
from parley.core.accounts.model import Purpose
from parley.core.accounts.password_change import change_password, reset_password
from parley.core.errors import Overloaded


class ResetBody(IdentityBody, kw_only=True):
    """The one-time code and the new password."""

    otp: Otp
    challenge: ChallengeId | None = None
    new_password: NewPassword


class ChangePasswordBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """`current_password` may be omitted in a session that was opened with a code less than 10 minutes ago."""

    current_password: GivenPassword | None = None
    new_password: NewPassword


class DoneAnswer(Struct):
    """The password was set."""

    message: Annotated[str, described("A message for people", "The password is set. Sign in with it.")]


class PasswordController(Controller):
    path = "/auth"
    tags = ("Sign-in",)
    middleware = (CancelWhenClientLeaves,)

    @post(
        "/forgot-password",
        status_code=200,
        operation_id="forgotPassword",
        summary="Send a code for a password reset",
        opt=PUBLIC,
        guards=(limit_by_address,),
        operation_class=operation(
            examples={"email": EMAIL_EXAMPLE},
            links={
                200: {
                    "reset": link(
                        "resetPassword",
                        "With OTP_SENDER=response",
                        requestBody=SAME_IDENTITY | SAME_CHALLENGE | NEW_PASSWORD_EXAMPLE,
                    )
                }
            },
        ),
        responses=problems(IDENTITY_MISSING, 413, 415, 429),
    )
    async def forgot(self, data: JSONBody[CodeBody], request: Request[Any, Any, Any], ports: Ports) -> CodeAnswer:
        """Answers the same, after the same time, for every valid identity. Earlier challenges stay valid."""
        return await send(data, Purpose.RESET, request, ports)

    @post(
        "/reset-password",
        status_code=200,
        operation_id="resetPassword",
        summary="Set a new password with a code",
        opt=PUBLIC,
        guards=(limit_by_address,),
        operation_class=operation(examples={"email": EMAIL_EXAMPLE | {"otp": "123456"} | NEW_PASSWORD_EXAMPLE}),
        responses=problems(PASSWORD_COMMON, OtpInvalid(), 413, 415, 429, Overloaded(3)),
    )
    async def reset(self, data: JSONBody[ResetBody], request: Request[Any, Any, Any], ports: Ports) -> DoneAnswer:
        """Ends all sessions of the account and voids its device tokens.

        If the password is refused (400), the code stays valid.
        """
        await reset_password(
            ports.accounts,
            identity=identity_in(data, ports),
            code=data.otp,
            challenge=data.challenge,
            new_password=data.new_password,
            client=requesting_client(request),
        )
        return DoneAnswer("The password is set, and every session has ended. Sign in with it.")

    @post(
        "/change-password",
        status_code=200,
        operation_id="changePassword",
        summary="Change the password",
        security=BEARER,
        operation_class=operation(
            examples={
                "with the current password": {"current_password": PASSWORD_EXAMPLE} | NEW_PASSWORD_EXAMPLE,
                "after a code": NEW_PASSWORD_EXAMPLE,
            }
        ),
        responses=problems(PASSWORD_COMMON, TokenInvalid(), CredentialsInvalid(), 413, 415, 429, Overloaded(3)),
    )
    async def change(
        self, data: JSONBody[ChangePasswordBody], request: AuthenticatedRequest, ports: Ports
    ) -> DoneAnswer:
        """Ends all other sessions of the account and voids its device tokens.

        A wrong `current_password` is 401 `credentials_invalid`.
        """
        await change_password(
            ports.accounts,
            caller=request.user,
            current_password=data.current_password,
            new_password=data.new_password,
        )
        return DoneAnswer("The password is changed, and every other session has ended.")
