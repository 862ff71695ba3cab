import pytest

from parley.adapters.security.fernet import FernetCipher

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32


@pytest.mark.parametrize("text", ["190472", "", "naïve 日本語"])
def test_what_is_sealed_is_hidden_and_comes_out_again(text):
    seal = FernetCipher([NEW])
    sealed = seal.encrypt(text)
    assert seal.decrypt(sealed) == text
    assert not text or text.encode() not in sealed


def test_the_same_text_is_never_sealed_the_same():
    seal = FernetCipher([NEW])
    assert seal.encrypt("190472") != seal.encrypt("190472")


def test_a_new_key_in_front_seals_and_the_old_one_still_opens():
    rotated = FernetCipher([NEW, OLD])
    assert rotated.decrypt(FernetCipher([OLD]).encrypt("190472")) == "190472"
    assert FernetCipher([NEW]).decrypt(rotated.encrypt("190472")) == "190472"


def test_a_key_that_is_gone_opens_nothing():
    with pytest.raises(ValueError, match="not encrypted with one of today's keys"):
        FernetCipher([NEW, OTHER]).decrypt(FernetCipher([OLD]).encrypt("190472"))


def test_nothing_changed_or_alien_is_opened():
    seal = FernetCipher([NEW])
    sealed = seal.encrypt("190472")
    changed = [sealed[:at] + (b"B" if sealed[at : at + 1] == b"A" else b"A") + sealed[at + 1 :] for at in (0, 20, 60)]
    for alien in [*changed, sealed[:-8], b"", b"190472", b"\xff\x00", b"gAAAAA=="]:
        with pytest.raises(ValueError, match="not encrypted with one of today's keys"):
            seal.decrypt(alien)


@pytest.mark.parametrize("keys", [[], [b""], [b"short"], [NEW, b"k" * 33]])
def test_keys_that_are_none_are_an_error(keys):
    with pytest.raises(ValueError, match=r"."):
        FernetCipher(keys)
