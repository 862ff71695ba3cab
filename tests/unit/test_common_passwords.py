import pytest

from parley.adapters.security.common_passwords import common_passwords

COMMON = common_passwords()


def test_list_has_the_3_000_passwords_that_the_standard_requires():
    """OWASP ASVS 5, 6.2.4."""
    assert len(COMMON) >= 3_000


def test_every_entry_has_an_allowed_length_and_is_casefolded():
    assert [word for word in COMMON if not 8 <= len(word) <= 128 or word != word.casefold().strip()] == []


@pytest.mark.parametrize("password", ["password", "12345678", "password1", "iloveyou1", "qwertyuiop", "#1stunna"])
def test_well_known_passwords_are_in_the_list(password):
    assert password in COMMON


def test_comments_of_the_file_are_not_passwords():
    assert [word for word in COMMON if word.startswith("# ") or "django" in word] == []
