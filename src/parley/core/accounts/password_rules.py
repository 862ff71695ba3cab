"""Which passwords are refused. There are no composition rules (OWASP ASVS 5, 6.2.5)."""

import re
from dataclasses import dataclass

from parley.core.accounts.model import PASSWORD_LONGEST, PASSWORD_SHORTEST, Identity, IdentityKind
from parley.core.errors import InvalidInput
from parley.core.text import check_text

_PRODUCT = re.compile(r"(parley){1,2}\d*")
_COUNTRY_CODE_LONGEST = 3  # ITU-T E.164
_TRUNK_PREFIXES = ("", "0", "00")


@dataclass(frozen=True, slots=True)
class PasswordRules:
    """Refuses passwords that are easy to guess. `common` holds the most common ones, casefolded."""

    common: frozenset[str]

    def check(self, field: str, password: str, identity: Identity) -> None:
        """Raises InvalidInput for a password of a wrong length, a common one, and one derived from its context.

        The context-specific words (ASVS 6.1.2 and 6.2.11) are the e-mail address, its local part, the mobile number
        with or without its country code, each also repeated once, and the product's name with digits. They are compared
        without case and punctuation.
        """
        check_text(field, password, shortest=PASSWORD_SHORTEST, longest=PASSWORD_LONGEST)
        if password.casefold() in self.common:
            raise InvalidInput(field, "is among the most common passwords, which are tried first: choose another")
        letters = _alphanumeric(password)
        if letters in _identity_words(identity):
            raise InvalidInput(field, "is what the account is known by: choose another")
        if _PRODUCT.fullmatch(letters):
            raise InvalidInput(field, "is little more than the name of this product: choose another")


def _identity_words(identity: Identity) -> set[str]:
    whole = _alphanumeric(identity.value)
    if identity.kind is IdentityKind.EMAIL:
        once = {whole, _alphanumeric(identity.value.rpartition("@")[0])}
    else:
        # Every possible length of the country code is tried, because only a numbering plan says how long it is.
        tails = [whole[skipped:] for skipped in range(_COUNTRY_CODE_LONGEST + 1)]
        once = {prefix + tail for prefix in _TRUNK_PREFIXES for tail in tails}
    # A local part of punctuation only would otherwise refuse every password of punctuation.
    once.discard("")
    return once | {word * 2 for word in once}


def _alphanumeric(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
