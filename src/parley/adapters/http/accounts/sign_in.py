"""HTTP endpoints for signing up, signing in, and refreshing tokens."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Request, post
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from parley.adapters.http.accounts.account import AccountBody, Name, account_body
from parley.adapters.http.accounts.identity import (
    EMAIL_EXAMPLE,
    IDENTITY_MISSING,
    MOBILE_NUMBER_EXAMPLE,
    PASSWORD_COMMON,
    PASSWORD_EXAMPLE,
    SAME_CHALLENGE,
    SAME_IDENTITY,
    ChallengeId,
    CodeBody,
    DeviceToken,
    GivenPassword,
    HumanToken,
    IdentityBody,
    NewPassword,
    Otp,
    identity_in,
)
from parley.adapters.http.auth import PUBLIC
from parley.adapters.http.errors import problems
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.openapi.operation import link, operation
from parley.adapters.http.ports import HttpPorts, Ports
from parley.adapters.http.rate_limits.address import limit_by_address, requesting_client
from parley.adapters.http.server.client_left import CancelWhenClientLeaves
from parley.core.accounts.codes import send_code, sign_in_by_code
from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid, RefreshTokenInvalid
from parley.core.accounts.model import Purpose, SignedIn, TokenPair
from parley.core.accounts.passwords import log_in, sign_up
from parley.core.accounts.sessions import refresh_session
from parley.core.billing.usage import read_plan
from parley.core.errors import InvalidInput, Overloaded

SignupToken = Annotated[
    str, Meta(max_length=1_024), described("The token of the signup with the same identity", "S3dKf0aVbN1qW8zXc5tYhR")
]
RefreshToken = Annotated[
    str, Meta(max_length=1_024), described("Can be exchanged once for a new token pair", "r1.mJ0vQ2sLk8dTfW5yBn7XcA")
]
Seconds = Annotated[int, described("Seconds until it expires", 600)]


CODE_SENT = "If the identity can be reached, a code is on its way."


class SignupBody(IdentityBody, kw_only=True):
    """Name and password of a new account; they take effect at the sign-in with a one-time code for this identity."""

    name: Name | None = None
    password: NewPassword | None = None
    human_token: HumanToken | None = None


class VerifyBody(IdentityBody, kw_only=True):
    """The one-time code, the token of the signup if there was one, and the device token if the device has one."""

    otp: Otp
    challenge: ChallengeId | None = None
    signup_token: SignupToken | None = None
    device_token: DeviceToken | None = None


class LoginBody(IdentityBody, kw_only=True):
    """Exactly one of `mobile_number` and `email`, and the password."""

    password: GivenPassword
    device_token: DeviceToken | None = None


class RefreshBody(Struct, forbid_unknown_fields=True):
    """The refresh token of the latest token pair."""

    refresh_token: RefreshToken


class SignupAnswer(Struct):
    """`signup_token` must be sent with the code within `expires_in` seconds."""

    signup_token: SignupToken
    expires_in: Seconds


class CodeAnswer(Struct, omit_defaults=True):
    """The same response for every valid identity, whether it has an account or not."""

    message: Annotated[str, described("A message for people", CODE_SENT)]
    challenge: Annotated[
        str,
        described(
            "The id of this request; send it with the code, which is then valid whatever others ask for",
            "q7Jm2VbXcT0sLk8dTfW5yA",
        ),
    ]
    expires_in: Seconds
    resend_in: Annotated[int, described("Seconds until another code can be requested", 60)]
    otp: Annotated[str, described("The code, only with OTP_SENDER=response", "123456")] | UnsetType = UNSET


class TokensBody(Struct, kw_only=True):
    """An access token that expires after `expires_in` seconds, and a refresh token that can be used once."""

    access_token: Annotated[
        str, described("Send it as `Authorization: Bearer …`", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMWExIn0.c2lnbmVk")
    ]
    token_type: Annotated[Literal["bearer"], described("The type of the access token (RFC 6750)", "bearer")] = "bearer"  # noqa: S105
    expires_in: Annotated[int, described("Seconds until the access token expires", 900)]
    refresh_token: RefreshToken


class SignedInBody(TokensBody, kw_only=True):
    """The tokens of a new session, and its account."""

    device_token: Annotated[
        str,
        described(
            "Keep it on the device and send it with later sign-ins, which answer the same one again. Void a year after "
            "the last of them, and after a new password",
            "Zk3RaXw9QmJ5uHc7tYbV1g",
        ),
    ]
    created: Annotated[bool, described("Whether this sign-in created the account", True)]
    user: Annotated[AccountBody, described("The account")]


class AuthController(Controller):
    path = "/auth"
    tags = ("Sign-in",)
    opt = PUBLIC
    guards = (limit_by_address,)
    middleware = (CancelWhenClientLeaves,)

    @post(
        "/signup",
        operation_id="signUp",
        summary="Sign up with a name and a password",
        operation_class=operation(
            examples={
                "email": EMAIL_EXAMPLE | {"name": "Mira", "password": PASSWORD_EXAMPLE},
                "mobile number": MOBILE_NUMBER_EXAMPLE | {"name": "Mira"},
            },
            links={201: {"code": link("sendOtp", "A code for the same identity", requestBody=SAME_IDENTITY)}},
        ),
        responses=problems(PASSWORD_COMMON, 413, 415, 429, Overloaded(3)),
    )
    async def sign_up(self, data: JSONBody[SignupBody], request: Request[Any, Any, Any], ports: Ports) -> SignupAnswer:
        """Optional: a code alone creates an account too. The answer is the same if the identity has an account."""
        started = await sign_up(
            ports.accounts,
            identity=identity_in(data, ports),
            name=data.name,
            password=data.password,
            client=requesting_client(request),
            human_token=data.human_token,
        )
        return SignupAnswer(started.signup_token, started.expires_in)

    @post(
        "/send-otp",
        status_code=200,
        operation_id="sendOtp",
        summary="Send a one-time code",
        operation_class=operation(
            examples={"email": EMAIL_EXAMPLE, "mobile number": MOBILE_NUMBER_EXAMPLE},
            links={
                200: {
                    "signIn": link(
                        "verifyOtp",
                        "With OTP_SENDER=response",
                        requestBody=SAME_IDENTITY | SAME_CHALLENGE,
                    )
                }
            },
        ),
        responses=problems(IDENTITY_MISSING, 413, 415, 429),
    )
    async def send_otp(self, data: JSONBody[CodeBody], request: Request[Any, Any, Any], ports: Ports) -> CodeAnswer:
        """Works for every valid identity, with or without an account. Earlier challenges stay valid."""
        return await send(data, Purpose.SIGN_IN, request, ports)

    @post(
        "/verify-otp",
        status_code=200,
        operation_id="verifyOtp",
        summary="Sign in with a one-time code",
        operation_class=operation(
            examples={
                "only a code": EMAIL_EXAMPLE | {"otp": "123456", "challenge": "q7Jm2VbXcT0sLk8dTfW5yA"},
                "after a signup": EMAIL_EXAMPLE | {"otp": "123456", "signup_token": "S3dKf0aVbN1qW8zXc5tYhR"},
            },
            links={
                200: {
                    "refresh": link(
                        "refresh", "A new token pair", requestBody={"refresh_token": "$response.body#/refresh_token"}
                    )
                }
            },
        ),
        responses=problems(IDENTITY_MISSING, OtpInvalid(), 413, 415, 429),
    )
    async def verify_otp(
        self, data: JSONBody[VerifyBody], request: Request[Any, Any, Any], ports: Ports
    ) -> SignedInBody:
        """Creates the identity's account if it has none, with the name and password of the `signup_token` if given."""
        signed_in = await sign_in_by_code(
            ports.accounts,
            identity=identity_in(data, ports),
            code=data.otp,
            challenge=data.challenge,
            signup_token=data.signup_token,
            user_agent=request.headers.get("user-agent"),
            client=requesting_client(request, data.device_token),
        )
        return await _signed_in(signed_in, ports)

    @post(
        "/login",
        status_code=200,
        operation_id="logIn",
        summary="Sign in with a password",
        operation_class=operation(examples={"email": EMAIL_EXAMPLE | {"password": PASSWORD_EXAMPLE}}),
        responses=problems(IDENTITY_MISSING, CredentialsInvalid(), 413, 415, 429, Overloaded(3)),
    )
    async def log_in(self, data: JSONBody[LoginBody], request: Request[Any, Any, Any], ports: Ports) -> SignedInBody:
        """A wrong password and an identity without an account get the same answer, 401 `credentials_invalid`."""
        signed_in = await log_in(
            ports.accounts,
            identity=identity_in(data, ports),
            password=data.password,
            user_agent=request.headers.get("user-agent"),
            client=requesting_client(request, data.device_token),
        )
        return await _signed_in(signed_in, ports)

    @post(
        "/refresh",
        status_code=200,
        operation_id="refresh",
        summary="Exchange a refresh token for a new token pair",
        responses=problems(InvalidInput("refresh_token", "is required"), RefreshTokenInvalid(), 413, 415, 429),
    )
    async def refresh(self, data: JSONBody[RefreshBody], ports: Ports) -> TokensBody:
        """Works once. A repeat within 10 s gets the same pair; any later use of an old token ends the session."""
        return _tokens(await refresh_session(ports.accounts, refresh_token=data.refresh_token))


async def send(body: CodeBody, purpose: Purpose, request: Request[Any, Any, Any], ports: HttpPorts) -> CodeAnswer:
    """Send a code for either purpose. The answer contains it only if no sender is configured."""
    sent = await send_code(
        ports.accounts,
        identity=identity_in(body, ports),
        purpose=purpose,
        client=requesting_client(request, body.device_token),
        human_token=body.human_token,
    )
    return CodeAnswer(
        message=CODE_SENT,
        challenge=sent.challenge,
        expires_in=sent.expires_in,
        resend_in=sent.resend_in,
        otp=UNSET if sent.shown_code is None else sent.shown_code,
    )


async def _signed_in(signed_in: SignedIn, ports: HttpPorts) -> SignedInBody:
    plan = await read_plan(ports.billing, account_id=signed_in.account.id)
    return SignedInBody(
        **msgspec.structs.asdict(_tokens(signed_in)),
        device_token=signed_in.device_token,
        created=signed_in.created,
        user=account_body(signed_in.account, plan),
    )


def _tokens(pair: TokenPair) -> TokensBody:
    return TokensBody(access_token=pair.access_token, expires_in=pair.expires_in, refresh_token=pair.refresh_token)
