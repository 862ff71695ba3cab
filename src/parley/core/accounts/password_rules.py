"""What a password must not be. No rule asks for kinds of characters (OWASP ASVS 5, 6.2.5)."""

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
    """What nobody may choose as a password."""

    common: frozenset[str]  # casefolded

    def check(self, field: str, password: str, identity: Identity) -> None:
        """Raises InvalidInput for a password of a wrong length, a common one, and one that the account gives away.

        Those are the words of this context (ASVS 6.1.2 and 6.2.11): the e-mail address, its local part, the mobile
        number with or without its country code, each also twice, and the product's name with digits. Neither case
        nor punctuation makes a difference to them.
        """
        check_text(field, password, shortest=PASSWORD_SHORTEST, longest=PASSWORD_LONGEST)
        if password.casefold() in self.common:
            raise InvalidInput(field, "is among the most common passwords, which are tried first: choose another")
        bare = _bare(password)
        if bare in _names(identity):
            raise InvalidInput(field, "is what the account is known by: choose another")
        if _PRODUCT.fullmatch(bare):
            raise InvalidInput(field, "is little more than the name of this product: choose another")


def _names(identity: Identity) -> set[str]:
    whole = _bare(identity.value)
    if identity.kind is IdentityKind.EMAIL:
        once = {whole, _bare(identity.value.rpartition("@")[0])}
    else:
        # Which digits are the country code only a numbering plan tells: every length that it can have is tried.
        tails = [whole[skipped:] for skipped in range(_COUNTRY_CODE_LONGEST + 1)]
        once = {prefix + tail for prefix in _TRUNK_PREFIXES for tail in tails}
    # A local part may be punctuation alone, which must not stand for every password of punctuation.
    once.discard("")
    return once | {name * 2 for name in once}


def _bare(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
