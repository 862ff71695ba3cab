"""Mobile numbers in E.164, by Google's metadata."""

import re

import phonenumbers

from parley.core.errors import InvalidInput

# Digits of any script and what people put between them; letters, extensions and short codes are not for a text message.
_WRITTEN = re.compile(r"\(?\+?\d[\d\s().\-/\u2010-\u2015]*")
_LONGEST_WRITTEN = 64
_LONGEST_E164 = 16  # ITU-T E.164: fifteen digits after the plus sign, though some national plans go beyond


class PhoneNumbers:
    """Any readable international form. `00` in place of the plus sign is taken as the ITU recommends it."""

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
        # Possible, not valid: plans change faster than metadata, and the code that is sent there is the real check.
        possible = phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE
        if not possible or len(e164) > _LONGEST_E164:
            raise _unreadable()
        return e164


def _unreadable() -> InvalidInput:
    return InvalidInput("mobile_number", "must be a phone number with its country code, for example +91 98765 43210")
