"""One answer while its events arrive, whichever vendor sends them."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from parley.adapters.models.sse import EventReader, Mark
from parley.adapters.models.vendor_errors import error_in_answer
from parley.core.chat.errors import ModelRefused, ModelUnavailable
from parley.core.chat.language_model import Finished, ModelEvent, Reasoning, Text
from parley.core.chat.model import FinishReason
from parley.core.chat.tokens import TokenUsage

# Of all vendors, in lower case. Any other word means that the model ended: STOP.
_REASONS = dict.fromkeys(
    ("length", "max_tokens", "max_output_tokens", "max_completion_tokens", "model_length"), FinishReason.LENGTH
) | dict.fromkeys(
    (
        "content_filter", "content-filter", "safety", "refusal", "sensitive", "recitation", "language", "blocklist",
        "prohibited_content", "spii", "image_safety", "image_recitation", "image_prohibited_content", "model_armor",
        "escalation", "pup_limited_disabled",
    ),
    FinishReason.CONTENT_FILTER,
)  # fmt: skip
# Some servers write null as a word.
_NO_END = frozenset({"null", "none", "error", "network_error", "finish_reason_unspecified"})


class Answer:
    """What is known of an answer by now. `read_chunk` is a vendor's: it reports what it finds to the methods here."""

    def __init__(self, label: str, read_chunk: "ReadChunk") -> None:
        self.reason: FinishReason | None = None
        self.done = False
        self.has_text = False
        # When reading stops although the connection is still open, by the event loop's clock.
        self.given_up_at: float | None = None
        self.counts: tuple[object, ...] = ()
        self._label = label
        self._read_chunk = read_chunk
        self._reader = EventReader()
        self._events: list[ModelEvent] = []
        self._refused = False
        self._text, self._reasoning = _SurrogatePairs(), _SurrogatePairs()

    @property
    def ended(self) -> bool:
        """The model said that it ended; whatever becomes of the connection now, the answer is whole."""
        return self.reason is not None or (self.done and self.has_text)

    @property
    def usage(self) -> TokenUsage | None:
        """The tokens so far, None if the server counted none."""
        return TokenUsage(*map(_count, self.counts)) if self.counts else None

    def read(self, received: bytes | None) -> Iterator[ModelEvent]:
        """The events in these bytes, the last ones for None. Raises VendorError for a server's error before the end."""
        for value in self._reader.end() if received is None else self._reader.read(received):
            if self.done:
                return
            if isinstance(value, Mark):
                self.done = True
            elif (error := error_in_answer(value)) is None:
                self._read_chunk(self, value)
                yield from self._events
                self._events.clear()
            elif not self.ended:
                raise error

    def text(self, text: object, *, refusal: bool = False) -> None:
        if isinstance(text, str) and (whole := self._text.join(text)):
            self.has_text = True
            self._refused |= refusal
            self._events.append(Text(whole))

    def reasoning(self, text: object) -> None:
        if isinstance(text, str) and (whole := self._reasoning.join(text)):
            self._events.append(Reasoning(whole))

    def end(self, word: object) -> None:
        """The finish reason in the vendor's words; what is empty says nothing."""
        if word and (name := str(word).lower()) not in _NO_END:
            self.reason = _REASONS.get(name, FinishReason.STOP)

    def count(self, read: object, written: object, cached: object, reasoned: object) -> None:
        """The tokens so far, as the server wrote them. An empty count does not replace an earlier one."""
        counts = (read, written, cached, reasoned)
        if counts != (None, None, None, None):
            self.counts = counts

    def rest(self) -> Iterator[ModelEvent]:
        """After the last bytes: what was held back, then Finished. Raises ModelFailed if the answer is not whole."""
        yield from map(Reasoning, self._reasoning.rest())
        yield from map(Text, self._text.rest())
        reason = FinishReason.CONTENT_FILTER if self._refused else self.reason
        if reason is FinishReason.CONTENT_FILTER and not self.has_text:
            raise ModelRefused("content_blocked", f"{self._label} blocked this answer.")
        if not self.ended:
            detail = f"{self._label} ended the answer before it was whole."
            raise ModelUnavailable("model_interrupted", detail, cause="no finish reason and no [DONE]")
        yield Finished(self.usage, reason or FinishReason.STOP)


ReadChunk = Callable[[Answer, dict[str, Any]], None]


def as_object(value: object) -> dict[str, Any]:
    """What is no JSON object counts as an empty one."""
    return value if isinstance(value, dict) else {}


class _SurrogatePairs:
    """Joins halves of characters that JSON escapes as two, when they come in two chunks. A single half is U+FFFD."""

    def __init__(self) -> None:
        self._half = ""

    def join(self, text: str) -> str:
        if self._half:
            text, self._half = self._half + text, ""
        try:
            text.encode()
        except UnicodeEncodeError:
            if "\ud800" <= text[-1] <= "\udbff":
                text, self._half = text[:-1], text[-1]
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return text

    def rest(self) -> list[str]:
        half, self._half = self._half, ""
        return ["\ufffd"] if half else []


def _count(said: object) -> Any:
    """A whole number that came as 3.0 or "3" as 3. TokenUsage leaves out whatever else came."""
    try:
        return None if said is None else msgspec.convert(said, int, strict=False)
    except msgspec.ValidationError:
        return None
