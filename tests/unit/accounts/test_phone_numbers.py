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


@pytest.mark.parametrize("number", ["+919876543210", "+447400123456", "+12025550123", "+15550001111", "+33612345678"])
def test_mobile_numbers_and_those_not_assigned_yet_are_reached(number):
    PhoneNumbers().check_reached(number)


@pytest.mark.parametrize(
    "number",
    [
        "+449098790000",
        "+19005551234",
        "+979123456789",
        "+881612345678",
        "+870773111632",
        "+882161234567",
        "+883510012345678",
        "+80812345678",
        "+448431234567",
        "+447012345678",
        "+878101234567890",
        "+442071838750",
        "+493012345678",
        "+390612345678",
        "+80012345678",
        "+18005551234",
        "+88812345678901",
    ],
    ids=lambda number: number,
)
def test_premium_satellite_shared_cost_personal_and_landline_numbers_are_not_reached(number):
    numbers = PhoneNumbers()
    assert numbers.e164(number) == number
    with pytest.raises(InvalidInput, match="not a mobile number") as refusal:
        numbers.check_reached(number)

    assert refusal.value.field == "mobile_number"


def test_only_chosen_countries_are_reached():
    numbers = PhoneNumbers(["in", "US"])
    for number in ("+919876543210", "+14155552671"):
        numbers.check_reached(number)
    # Canada has the code of the United States; nobody knows where a number is that is not assigned.
    for number in ("+447400123456", "+16042345678", "+15550001111"):
        with pytest.raises(InvalidInput, match="country"):
            numbers.check_reached(number)


@pytest.mark.parametrize("country", ["UK", "India", "91", "001", "XX"])
def test_country_that_does_not_exist_is_refused(country):
    with pytest.raises(ValueError, match="3166"):
        PhoneNumbers(["IN", country])


@pytest.mark.parametrize(("number", "code"), [("+919876543210", "91"), ("+14155552671", "1"), ("+35312345678", "353")])
def test_calling_code(number, code):
    assert PhoneNumbers().calling_code(number) == code


def test_calling_codes_of_the_chosen_countries():
    assert PhoneNumbers(["US", "CA"]).calling_codes == {1}
    assert PhoneNumbers(["US", "IN"]).calling_codes == {1, 91}
    assert PhoneNumbers().calling_codes == frozenset()
