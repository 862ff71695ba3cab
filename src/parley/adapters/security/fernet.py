"""Sealed texts: AES-128 in CBC mode with an HMAC, in the Fernet format."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class FernetCipher:
    """The first of `keys` seals, all of them open: so a key is changed by putting the new one in front.

    Each key is 32 random bytes. Raises ValueError for other lengths and for no key at all.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(urlsafe_b64encode(key)) for key in keys])

    def encrypt(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def decrypt(self, encrypted: bytes) -> str:
        try:
            return self._fernet.decrypt(encrypted).decode()
        except InvalidToken as error:
            raise ValueError("This was not encrypted with one of today's keys.") from error
