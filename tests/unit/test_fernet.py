import pytest

from parley.adapters.security.fernet import FernetCipher

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32


@pytest.mark.parametrize("text", ["190472", "", "naïve 日本語"])
def test_decrypting_returns_the_text_that_was_encrypted(text):
    cipher = FernetCipher([NEW])
    encrypted = cipher.encrypt(text)
    assert cipher.decrypt(encrypted) == text
    assert not text or text.encode() not in encrypted


def test_encrypting_the_same_text_twice_gives_different_results():
    cipher = FernetCipher([NEW])
    assert cipher.encrypt("190472") != cipher.encrypt("190472")


def test_first_key_encrypts_and_older_keys_still_decrypt():
    rotated = FernetCipher([NEW, OLD])
    assert rotated.decrypt(FernetCipher([OLD]).encrypt("190472")) == "190472"
    assert FernetCipher([NEW]).decrypt(rotated.encrypt("190472")) == "190472"


def test_text_of_a_removed_key_is_refused():
    with pytest.raises(ValueError, match="not encrypted with one of the current keys"):
        FernetCipher([NEW, OTHER]).decrypt(FernetCipher([OLD]).encrypt("190472"))


def test_changed_or_foreign_text_is_refused():
    cipher = FernetCipher([NEW])
    encrypted = cipher.encrypt("190472")
    changed = [
        encrypted[:at] + (b"B" if encrypted[at : at + 1] == b"A" else b"A") + encrypted[at + 1 :] for at in (0, 20, 60)
    ]
    for foreign in [*changed, encrypted[:-8], b"", b"190472", b"\xff\x00", b"gAAAAA=="]:
        with pytest.raises(ValueError, match="not encrypted with one of the current keys"):
            cipher.decrypt(foreign)


@pytest.mark.parametrize("keys", [[], [b""], [b"short"], [NEW, b"k" * 33]])
def test_invalid_keys_are_refused(keys):
    with pytest.raises(ValueError, match=r"."):
        FernetCipher(keys)
