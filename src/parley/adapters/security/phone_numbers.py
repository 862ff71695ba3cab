"""Mobile numbers in E.164, parsed with Google's metadata."""

import re
from collections.abc import Collection

import phonenumbers

from parley.core.errors import InvalidInput

# Digits of any script and the usual separators. Letters, extensions and short codes cannot receive an SMS.
_WRITTEN = re.compile(r"\(?\+?\d[\d\s().\-/\u2010-\u2015]*")
# The region of the metadata for codes such as 881 and 979.
_NO_COUNTRY = "001"
_LONGEST_WRITTEN = 64
_LONGEST_E164 = 16  # ITU-T E.164: fifteen digits after the plus sign, although some national plans have more


# A number that is not assigned yet is UNKNOWN: numbering plans change faster than metadata.
_MOBILE_KINDS = frozenset(
    {
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
        phonenumbers.PhoneNumberType.UNKNOWN,
    }
)


class PhoneNumbers:
    """The `MobileNumbers` port. Accepts every readable international form, also with `00` in place of the plus sign.

    SMS are sent to `countries`, codes of ISO 3166-1; without any to all. Raises ValueError for another code.
    """

    def __init__(self, countries: Collection[str] = ()) -> None:
        self._countries = frozenset(country.upper() for country in countries)
        if not self._countries <= phonenumbers.SUPPORTED_REGIONS:
            raise ValueError("each must be the code of a country in ISO 3166-1, such as IN,US,GB.")

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

    @property
    def calling_codes(self) -> frozenset[int]:
        """The country calling codes of the chosen countries."""
        return frozenset(map(phonenumbers.country_code_for_region, self._countries))

    def check_reached(self, number: str) -> None:
        parsed = phonenumbers.parse(number, None)
        country = phonenumbers.region_code_for_number(parsed)
        # Codes that belong to no country are satellites, personal and premium numbers.
        if country == _NO_COUNTRY or phonenumbers.number_type(parsed) not in _MOBILE_KINDS:
            raise InvalidInput("mobile_number", "is not a mobile number: codes are sent by SMS")
        if self._countries and country not in self._countries:
            raise InvalidInput("mobile_number", "is of a country to which no codes are sent")

    def calling_code(self, number: str) -> str:
        return str(phonenumbers.parse(number, None).country_code)


def _unreadable() -> InvalidInput:
    return InvalidInput("mobile_number", "must be a phone number with its country code, for example +91 98765 43210")
