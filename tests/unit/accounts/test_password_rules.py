import pytest

from parley.core.accounts.model import Identity, IdentityKind
from parley.core.accounts.password_rules import PasswordRules
from parley.core.errors import InvalidInput

RULES = PasswordRules(frozenset({"iloveyou1", "strasse123"}))
EMAIL = Identity(IdentityKind.EMAIL, "mira.sharma@example.com")
SHORT_EMAIL = Identity(IdentityKind.EMAIL, "mira@example.com")
MOBILE = Identity(IdentityKind.MOBILE_NUMBER, "+919876543210")

COMMON = "is among the most common passwords, which are tried first: choose another"
KNOWN = "is what the account is known by: choose another"
PRODUCT = "is little more than the name of this product: choose another"


def refusal(password, identity=EMAIL):
    with pytest.raises(InvalidInput) as refused:
        RULES.check("new_password", password, identity)
    assert refused.value.field == "new_password"
    return refused.value.message


@pytest.mark.parametrize("password", ["seven77", "x" * 129, ""])
def test_length_is_bounded(password):
    assert refusal(password) == "must have 8 to 128 characters"


def test_unstorable_characters_are_refused():
    assert "NUL" in refusal("eight888\x00")


@pytest.mark.parametrize("password", ["iloveyou1", "ILoveYou1", "Straße123"])
def test_common_passwords_are_refused_in_any_case(password):
    assert refusal(password) == COMMON


@pytest.mark.parametrize(
    "password",
    [
        "mira.sharma@example.com",
        "Mira.Sharma@Example.com",
        "mira.sharma",
        "MiraSharma",
        "!!mira.sharma!!",
        "mira.sharmamira.sharma",
        "Mira.Sharma Mira.Sharma",
        "mira.sharma@example.com" * 2,
    ],
)
def test_the_email_address_is_refused(password):
    assert refusal(password) == KNOWN


def test_a_short_local_part_is_refused_when_repeated():
    assert refusal("miramira", SHORT_EMAIL) == KNOWN


@pytest.mark.parametrize(
    "password",
    [
        "+919876543210",
        "919876543210",
        "9876543210",
        "09876543210",
        "00919876543210",
        "+91 98765-43210",
        "(98765) 43210!",
        "98765432109876543210",
        "+919876543210+919876543210",
    ],
)
def test_the_mobile_number_is_refused(password):
    assert refusal(password, MOBILE) == KNOWN


@pytest.mark.parametrize(
    ("number", "without_country_code"), [("+14155550132", "4155550132"), ("+353861234567", "861234567")]
)
def test_a_country_code_has_one_to_three_digits(number, without_country_code):
    assert refusal(without_country_code, Identity(IdentityKind.MOBILE_NUMBER, number)) == KNOWN


@pytest.mark.parametrize("password", ["parley123", "Parley2026!", "parleyparley", "Parley-Parley-1", "parley!!"])
@pytest.mark.parametrize("identity", [EMAIL, MOBILE])
def test_the_name_of_the_product_is_refused(password, identity):
    assert refusal(password, identity) == PRODUCT


@pytest.mark.parametrize("identity", [EMAIL, SHORT_EMAIL, MOBILE])
@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaa",
        "8 chars!",
        "!!!!!!!!",
        "  密码 mit Leerzeichen ",
        "😀" * 128,
        "iloveyou1 and you",
        "mira.sharma's cat",
        "miramiramira",
        "example.com",
        "my 9876543210",
        "76543210",
        "parley voo français",
        "sparley1",
    ],
)
def test_other_passwords_are_accepted(password, identity):
    RULES.check("password", password, identity)


def test_a_local_part_of_punctuation_refuses_no_other_password():
    RULES.check("password", "?!?!?!?!", Identity(IdentityKind.EMAIL, "+_-@example.com"))


def test_other_identities_are_not_compared():
    RULES.check("password", "mira.sharma", MOBILE)
    RULES.check("password", "9876543210", EMAIL)
