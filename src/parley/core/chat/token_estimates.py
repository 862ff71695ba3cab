"""Estimates of numbers of tokens, for what no provider has counted yet, or ever counts."""

from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True, slots=True)
class TokenEstimates:
    """`bytes_per_token` of text in UTF-8, and the tokens that a reply reserves for its `answer`.

    Google and OpenAI both give 4 characters of English for a token (ai.google.dev/gemini-api/docs/tokens,
    help.openai.com «What are tokens and how to count them?»). Bytes, as scripts with more bytes for a character also
    have more tokens for one.
    """

    bytes_per_token: float = 4.0
    answer: int = 1_000

    def of(self, *texts: str | None) -> int:
        return ceil(sum(len(text.encode()) for text in texts if text) / self.bytes_per_token)
