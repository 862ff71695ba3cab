"""Mobile numbers in E.164, parsed with Google's metadata."""

import re

import phonenumbers

from parley.core.errors import InvalidInput

# Digits of any script and the usual separators. Letters, extensions and short codes cannot receive an SMS.
_WRITTEN = re.compile(r"\(?\+?\d[\d\s().\-/\u2010-\u2015]*")
_LONGEST_WRITTEN = 64
_LONGEST_E164 = 16  # ITU-T E.164: fifteen digits after the plus sign, although some national plans have more


class PhoneNumbers:
    """The `MobileNumbers` port. Accepts every readable international form, also with `00` in place of the plus sign."""

    def e164(self, text: str) -> str:
        written = re.sub(r"^(\(?)00", r"\1+", text.strip())
        if len(written) > _LONGEST_WRITTEN or _WRITTEN.fullmatch(written) is None:
            raise _unreadable()
        if "+" not in written:
            raise InvalidInput("mobile_number", "must begin with the country code, for example +91 98765 43210")
        try:
            number = phonenumbers.parse(written, None)
        except phonenumbers.NumberParseException as error:
            raise _unreadable() from error
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        # Possible is enough: numbering plans change faster than metadata, and the code sent there is the real check.
        possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
        if not possible or len(e164) > _LONGEST_E164:
            raise _unreadable()
        return e164


def _unreadable() -> InvalidInput:
    return InvalidInput("mobile_number", "must be a phone number with its country code, for example +91 98765 43210")
