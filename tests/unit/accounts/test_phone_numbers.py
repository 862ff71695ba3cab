import pytest

from parley.adapters.security.phone_numbers import PhoneNumbers
from parley.core.errors import InvalidInput


@pytest.mark.parametrize(
    "written",
    [
        "+919876543210",
        " +91 98765-43210\n",
        "0091 98765 43210",
        "(+91) 98765/43210",
        "+91 (0)98765.43210",
        "+91\u00a098765\u201343210",
        "+٩١ ٩٨٧٦٥ ٤٣٢١٠",
    ],
)
def test_every_spelling_of_a_number_gives_the_same_number(written):
    assert PhoneNumbers().e164(written) == "+919876543210"


@pytest.mark.parametrize(
    ("written", "e164"),
    [
        ("+1 (415) 555-2671", "+14155552671"),
        ("+39 06 1234 5678", "+390612345678"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("+1 555 000 1111", "+15550001111"),
    ],
    ids=["us", "italian zero stays", "british zero goes", "not assigned yet"],
)
def test_numbers_of_other_countries(written, e164):
    assert PhoneNumbers().e164(written) == e164


@pytest.mark.parametrize("written", ["9876543210", "09876543210", "098765 43210"])
def test_number_without_country_code_is_refused_with_a_hint(written):
    with pytest.raises(InvalidInput, match="country code") as refusal:
        PhoneNumbers().e164(written)

    assert refusal.value.field == "mobile_number"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "+",
        "+1",
        "+91 1234",
        "+999 123 456 789",
        "+1 555 0100",
        "+1234567890123456",
        "+49 111 111 111 111 111",
        "++919876543210",
        "+00919876543210",
        "+91+9876543210",
        "+1 800 FLOWERS",
        "+919876543210 ext 5",
        "+919876543210;phone-context=x",
        "call +919876543210",
        "+9198765\x0043210",
        "+91 98765\ud80043210",
        "mira@example.com",
        "+91" + " " * 100 + "9876543210",
        "+" + "9" * 100_000,
    ],
)
def test_unreadable_number_is_refused(written):
    with pytest.raises(InvalidInput) as refusal:
        PhoneNumbers().e164(written)

    assert refusal.value.field == "mobile_number"
