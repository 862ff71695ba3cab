"""The list of common passwords in this package. The file's first lines name its source and licence."""

from importlib.resources import files

_COMMENT = "# "


def common_passwords() -> frozenset[str]:
    """The most common passwords of 8 to 128 characters, casefolded: more than the 3,000 of OWASP ASVS 5, 6.2.4.

    Reads the file at each call, which takes about 2 ms: call it once, at start-up.
    """
    text = files("parley.adapters.security").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith(_COMMENT))
