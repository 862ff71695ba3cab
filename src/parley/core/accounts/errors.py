"""Refusals of the accounts module. None tells whether an identity is known here."""

from parley.core.errors import DomainError, Kind


class OtpInvalid(DomainError):
    """The code is wrong, spent, expired, tried too often, or was never sent: the answer does not tell which."""

    code = "otp_invalid"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("This code is not valid, or not any more. Ask for a new one.")


class CredentialsInvalid(DomainError):
    """No such account, one without a password, or another password: the answer does not tell which."""

    code = "credentials_invalid"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("These credentials are not valid. A one-time code works without a password.")


class RefreshTokenInvalid(DomainError):
    """The refresh token is unknown, was used before, or its session is over."""

    code = "refresh_token_invalid"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("This refresh token is not valid, or not any more. Sign in again.")


class TokenInvalid(DomainError):
    """The access token is malformed, expired, not signed here, or its account is gone."""

    code = "token_invalid"
    kind = Kind.UNAUTHENTICATED

    def __init__(self) -> None:
        super().__init__("This access token is not valid, or not any more. Refresh it or sign in again.")


class SessionNotFound(DomainError):
    """The account has no live session of that id."""

    code = "session_not_found"
    kind = Kind.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("There is no such session in this account, or not any more.")
