import pytest

from parley.adapters.security.common_passwords import common_passwords

COMMON = common_passwords()


def test_there_are_at_least_as_many_as_the_standard_asks_for():
    """OWASP ASVS 5, 6.2.4."""
    assert len(COMMON) >= 3_000


def test_each_could_be_chosen_by_its_length_and_is_casefolded():
    assert [word for word in COMMON if not 8 <= len(word) <= 128 or word != word.casefold().strip()] == []


@pytest.mark.parametrize("password", ["password", "12345678", "password1", "iloveyou1", "qwertyuiop", "#1stunna"])
def test_famous_passwords_are_there(password):
    assert password in COMMON


def test_the_words_of_the_licence_are_not_passwords():
    assert [word for word in COMMON if word.startswith("# ") or "django" in word] == []
