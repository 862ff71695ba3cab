"""Signing in, over HTTP."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Request, post
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from parley.adapters.http.accounts.account import AccountBody, Name, account_body
from parley.adapters.http.accounts.identity import (
    IDENTITY_MISSING,
    PASSWORD_COMMON,
    GivenPassword,
    IdentityBody,
    NewPassword,
    Otp,
    identity_in,
)
from parley.adapters.http.auth import PUBLIC
from parley.adapters.http.errors import documented
from parley.adapters.http.openapi.fields import described
from parley.adapters.http.ports import HttpPorts, Ports
from parley.adapters.http.rate_limit import one_call_from_address
from parley.core.accounts.codes import send_code, sign_in_by_code
from parley.core.accounts.errors import CredentialsInvalid, OtpInvalid, RefreshTokenInvalid
from parley.core.accounts.model import Purpose, SignedIn, TokenPair
from parley.core.accounts.passwords import log_in, sign_up
from parley.core.accounts.sessions import refresh_session
from parley.core.billing.usage import read_plan
from parley.core.errors import InvalidInput

SignupToken = Annotated[
    str, Meta(max_length=1_024), described("Of the signup with the same identity", "S3dKf0aVbN1qW8zXc5tYhR")
]
RefreshToken = Annotated[
    str, Meta(max_length=1_024), described("Works once, for a new pair", "r1.mJ0vQ2sLk8dTfW5yBn7XcA")
]
Seconds = Annotated[int, described("Seconds that it works", 600)]


CODE_SENT = "If the identity can be reached, a code is on its way."


class SignupBody(IdentityBody, kw_only=True):
    """What the account is to have; in force only with a one-time code for the same identity."""

    name: Name | None = None
    password: NewPassword | None = None


class VerifyBody(IdentityBody, kw_only=True):
    """The code that was sent, and the token of a signup if there was one."""

    otp: Otp
    signup_token: SignupToken | None = None


class LoginBody(IdentityBody, kw_only=True):
    """Exactly one of `mobile_number` and `email`, and the password."""

    password: GivenPassword


class RefreshBody(Struct, forbid_unknown_fields=True):
    """The refresh token of the latest pair."""

    refresh_token: RefreshToken


class SignupAnswer(Struct):
    """Send `signup_token` with the code within `expires_in` seconds."""

    signup_token: SignupToken
    expires_in: Seconds


class CodeAnswer(Struct, omit_defaults=True):
    """The same for every valid identity, known or not."""

    message: Annotated[str, described("For a person to read", CODE_SENT)]
    expires_in: Seconds
    resend_in: Annotated[int, described("Seconds until another code may be asked for", 60)]
    otp: Annotated[str, described("The code itself: only with OTP_SENDER=response", "123456")] | UnsetType = UNSET


class TokensBody(Struct, kw_only=True):
    """An access token for `expires_in` seconds, and a refresh token that works once."""

    access_token: Annotated[
        str, described("For `Authorization: Bearer …`", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMWExIn0.c2lnbmVk")
    ]
    token_type: Annotated[Literal["bearer"], described("How it is sent (RFC 6750)", "bearer")] = "bearer"  # noqa: S105
    expires_in: Annotated[int, described("Seconds that the access token works", 900)]
    refresh_token: RefreshToken


class SignedInBody(TokensBody, kw_only=True):
    """The tokens of a new session, and whose it is."""

    created: Annotated[bool, described("Whether this sign-in made the account", True)]
    user: Annotated[AccountBody, described("The account")]


class AuthController(Controller):
    path = "/auth"
    tags = ("Sign-in",)
    opt = PUBLIC
    guards = (one_call_from_address,)

    @post(
        "/signup",
        operation_id="signUp",
        summary="Ask for an account with a name and a password",
        responses=documented(PASSWORD_COMMON, 413, 415, 429),
    )
    async def sign_up(self, data: JSONBody[SignupBody], ports: Ports) -> SignupAnswer:
        """Optional: a code alone makes an account too. The answer is the same for a known identity."""
        started = await sign_up(
            uow=ports.accounts.uow,
            passwords=ports.accounts.passwords,
            rules=ports.accounts.password_rules,
            turns=ports.accounts.rate_limits,
            audit=ports.accounts.audit,
            identity=identity_in(data, ports),
            name=data.name,
            password=data.password,
            new_token=ports.accounts.new_token,
            now=ports.accounts.now(),
        )
        return SignupAnswer(started.signup_token, started.expires_in)

    @post(
        "/send-otp",
        status_code=200,
        operation_id="sendOtp",
        summary="Send a one-time code",
        responses=documented(IDENTITY_MISSING, 413, 415, 429),
    )
    async def send_otp(self, data: JSONBody[IdentityBody], ports: Ports) -> CodeAnswer:
        """To any valid identity, known or not. A new code voids the one before."""
        return await send(data, Purpose.SIGN_IN, ports)

    @post(
        "/verify-otp",
        status_code=200,
        operation_id="verifyOtp",
        summary="Sign in with a one-time code",
        responses=documented(IDENTITY_MISSING, OtpInvalid(), 413, 415, 429),
    )
    async def verify_otp(
        self, data: JSONBody[VerifyBody], request: Request[Any, Any, Any], ports: Ports
    ) -> SignedInBody:
        """An unknown identity becomes an account, with the name and password of its `signup_token` if it has one."""
        signed_in = await sign_in_by_code(
            uow=ports.accounts.uow,
            access_tokens=ports.accounts.access_tokens,
            audit=ports.accounts.audit,
            keys=ports.accounts.code_keys,
            identity=identity_in(data, ports),
            code=data.otp,
            signup_token=data.signup_token,
            user_agent=request.headers.get("user-agent"),
            session_life=ports.accounts.session_life,
            new_id=ports.accounts.new_id,
            new_token=ports.accounts.new_token,
            now=ports.accounts.now(),
        )
        return await _signed_in(signed_in, ports)

    @post(
        "/login",
        status_code=200,
        operation_id="logIn",
        summary="Sign in with a password",
        responses=documented(IDENTITY_MISSING, CredentialsInvalid(), 413, 415, 429),
    )
    async def log_in(self, data: JSONBody[LoginBody], request: Request[Any, Any, Any], ports: Ports) -> SignedInBody:
        """A wrong password and an unknown identity get the same answer, 401 `credentials_invalid`."""
        signed_in = await log_in(
            uow=ports.accounts.uow,
            passwords=ports.accounts.passwords,
            access_tokens=ports.accounts.access_tokens,
            turns=ports.accounts.rate_limits,
            audit=ports.accounts.audit,
            identity=identity_in(data, ports),
            password=data.password,
            user_agent=request.headers.get("user-agent"),
            session_life=ports.accounts.session_life,
            new_id=ports.accounts.new_id,
            new_token=ports.accounts.new_token,
            now=ports.accounts.now(),
        )
        return await _signed_in(signed_in, ports)

    @post(
        "/refresh",
        status_code=200,
        operation_id="refresh",
        summary="Exchange a refresh token for a new pair",
        responses=documented(InvalidInput("refresh_token", "is required"), RefreshTokenInvalid(), 413, 415, 429),
    )
    async def refresh(self, data: JSONBody[RefreshBody], ports: Ports) -> TokensBody:
        """Works once; 10 s long a repeat gets the same pair. Any later use of an old token ends the session."""
        pair = await refresh_session(
            uow=ports.accounts.uow,
            access_tokens=ports.accounts.access_tokens,
            revocations=ports.accounts.revocations,
            audit=ports.accounts.audit,
            keys=ports.accounts.refresh_keys,
            refresh_token=data.refresh_token,
            life=ports.accounts.session_life,
            now=ports.accounts.now(),
        )
        return _tokens(pair)


async def send(who: IdentityBody, purpose: Purpose, ports: HttpPorts) -> CodeAnswer:
    """A code for either purpose; the answer shows it only where nothing is delivered."""
    sent = await send_code(
        uow=ports.accounts.uow,
        turns=ports.accounts.rate_limits,
        post=ports.accounts.code_delivery,
        policy=ports.accounts.code_policy,
        keys=ports.accounts.code_keys,
        identity=identity_in(who, ports),
        purpose=purpose,
        new_code=ports.accounts.new_code,
        new_id=ports.accounts.new_id,
        audit=ports.accounts.audit,
        now=ports.accounts.now(),
    )
    return CodeAnswer(
        message=CODE_SENT,
        expires_in=sent.expires_in,
        resend_in=sent.resend_in,
        otp=UNSET if sent.shown_code is None else sent.shown_code,
    )


async def _signed_in(signed_in: SignedIn, ports: HttpPorts) -> SignedInBody:
    plan = await read_plan(ports.billing, account_id=signed_in.account.id)
    return SignedInBody(
        **msgspec.structs.asdict(_tokens(signed_in)),
        created=signed_in.created,
        user=account_body(signed_in.account, plan),
    )


def _tokens(pair: TokenPair) -> TokensBody:
    return TokensBody(access_token=pair.access_token, expires_in=pair.expires_in, refresh_token=pair.refresh_token)
