"""Names and values that clients attach to what they make, and get back unread."""

from parley.core.text import check_text

METADATA_PAIRS = 16
METADATA_NAME_CHARACTERS = 64
METADATA_CHARACTERS = 512

Metadata = tuple[tuple[str, str], ...]


def check_metadata(metadata: Metadata) -> None:
    """Raises InvalidInput."""
    for name, value in metadata:
        check_text("metadata", name, longest=METADATA_NAME_CHARACTERS)
        check_text("metadata", value, longest=METADATA_CHARACTERS, shortest=0)
