"""Authenticated encryption in the Fernet format: AES-128 in CBC mode with an HMAC."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class FernetCipher:
    """The `Cipher` port. The first of `keys` encrypts, all of them decrypt: to rotate keys, put the new one first.

    Each key is 32 random bytes. Raises ValueError for another length and for an empty list.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(urlsafe_b64encode(key)) for key in keys])

    def encrypt(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def decrypt(self, encrypted: bytes) -> str:
        try:
            return self._fernet.decrypt(encrypted).decode()
        except InvalidToken as error:
            raise ValueError("This was not encrypted with one of the current keys.") from error
