"""How metadata are stored: as a JSON object, null where there are none."""

import json

from parley.core.chat.metadata import Metadata


def encode_metadata(metadata: Metadata) -> str | None:
    return json.dumps(dict(metadata), ensure_ascii=False) if metadata else None


def decode_metadata(stored: str | None) -> Metadata:
    return () if stored is None else tuple(json.loads(stored).items())
