"""Errors of the accounts module. None of them reveals whether an identity has an account."""

from parley.core.errors import DomainError, Kind


class OtpInvalid(DomainError):
    """The code is wrong, spent, expired, tried too often, or was never sent. The error does not say which."""

    code = "otp_invalid"
    kind = Kind.UNAUTHENTICATED
    detail = "This code is not valid, or not any more. Ask for a new one."


class CredentialsInvalid(DomainError):
    """There is no such account, it has no password, or the password is wrong. The error does not say which."""

    code = "credentials_invalid"
    kind = Kind.UNAUTHENTICATED
    detail = "These credentials are not valid. A one-time code works without a password."


class RefreshTokenInvalid(DomainError):
    """The refresh token is unknown, was used before, or its session has ended."""

    code = "refresh_token_invalid"
    kind = Kind.UNAUTHENTICATED
    detail = "This refresh token is not valid, or not any more. Sign in again."


class TokenInvalid(DomainError):
    """The access token is malformed, expired, not signed here, or its account is gone.

    `reason` is a fixed word for the audit trail; the client does not learn it.
    """

    code = "token_invalid"
    kind = Kind.UNAUTHENTICATED
    detail = "This access token is not valid, or not any more. Refresh it or sign in again."

    def __init__(self, reason: str = "ended") -> None:
        super().__init__()
        self.reason = reason


_SUSPENDED = "This account is suspended. Only the operator of this service can change that."


class AccountSuspended(TokenInvalid):
    """The operator suspended the account of a token that is valid otherwise."""

    code = "account_suspended"
    detail = _SUSPENDED

    def __init__(self) -> None:
        super().__init__("suspended")


class SignInSuspended(DomainError):
    """The right code or password for an account that the operator suspended. A wrong one does not learn of it."""

    code = "account_suspended"
    kind = Kind.FORBIDDEN
    detail = _SUSPENDED


class AccountNotFound(DomainError):
    """No account has that id. For the operator only: nobody else learns which accounts there are."""

    code = "account_not_found"
    kind = Kind.NOT_FOUND
    detail = "There is no account with this id, or not any more."


class ApiKeyInvalid(TokenInvalid):
    """The API key is unknown, expired or revoked, or its account is gone. `reason` is as in TokenInvalid."""

    code = "api_key_invalid"
    detail = "This API key is not valid, or not any more. Its account lists its keys at GET /user/keys."


class ApiKeyNotAccepted(DomainError):
    """The route requires an access token: for it, an API key is no credential (RFC 9110, 15.5.2)."""

    code = "api_key_not_accepted"
    kind = Kind.UNAUTHENTICATED
    detail = "An API key is not accepted here. Sign in, and send the access token."


class ApiKeyNotFound(DomainError):
    """The account has no API key with that id."""

    code = "api_key_not_found"
    kind = Kind.NOT_FOUND
    detail = "There is no such API key in this account, or not any more."


class TooManyApiKeys(DomainError):
    """The account has as many API keys as one account may have."""

    code = "too_many_api_keys"
    kind = Kind.CONFLICT

    def __init__(self, limit: int) -> None:
        super().__init__(f"This account has {limit} API keys, which is the limit. Revoke one to make another.")


class ProofRequired(DomainError):
    """The request needs more proof than an access token."""

    code = "proof_required"
    kind = Kind.INVALID
    detail = "Send your current_password, or sign in with a code and repeat this within 10 minutes."


class SessionNotFound(DomainError):
    """The account has no live session with that id."""

    code = "session_not_found"
    kind = Kind.NOT_FOUND
    detail = "There is no such session in this account, or not any more."
