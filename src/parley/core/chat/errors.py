"""Errors of the chat module, and the two kinds of failure of a model."""

from parley.core.chat.model import Allowance, TokenUsage
from parley.core.errors import DomainError, InvalidInput, Kind


class RoomNotFound(DomainError):
    """There is no such room, or it belongs to another account; the answer is the same."""

    code = "chatroom_not_found"
    kind = Kind.NOT_FOUND
    detail = "There is no such chatroom in this account."


class MessageNotFound(DomainError):
    """There is no such message in that room of that account."""

    code = "message_not_found"
    kind = Kind.NOT_FOUND
    detail = "There is no such message in this chatroom."


class NotShared(DomainError):
    """There is no shared copy of the room."""

    code = "not_shared"
    kind = Kind.NOT_FOUND
    detail = "This chatroom is not shared."


class ShareNotFound(DomainError):
    """No shared copy has that token: it never had one, or its room or account is gone, or it is not shared any more."""

    code = "share_not_found"
    kind = Kind.NOT_FOUND
    detail = "There is no shared conversation at this address."


class NotAReply(DomainError):
    """The message is a user's, which has no stream and cannot be stopped, generated again or rated."""

    code = "not_a_reply"
    kind = Kind.NOT_FOUND
    detail = "This message is not a reply of a model: only a reply can be streamed, stopped, regenerated or rated."


class NotAUserMessage(DomainError):
    """The message is a reply, which cannot be edited."""

    code = "not_a_user_message"
    kind = Kind.NOT_FOUND
    detail = "This message is a reply of a model: only a user's message can be edited."


class ParentInvalid(InvalidInput):
    """The message to go on from is a user's, or in another room of the account."""

    code = "parent_invalid"

    def __init__(self) -> None:
        super().__init__("parent_id", "must be the id of a reply in this chatroom, or null for a first message")


class UnknownModel(InvalidInput):
    """The requested model is not on offer."""

    code = "unknown_model"

    def __init__(self, name: str) -> None:
        super().__init__("model", f"{name[:100]!r} is not offered here; GET /models lists what is.")


class PromptTooLong(InvalidInput):
    """The conversation that a client gave is longer than models are sent here."""

    code = "prompt_too_long"

    def __init__(self, limit: int) -> None:
        super().__init__("messages", f"must have at most {limit:,} characters together")


class TooManyRooms(DomainError):
    """The account has as many rooms as one account may have."""

    code = "too_many_chatrooms"
    kind = Kind.CONFLICT

    def __init__(self, limit: int) -> None:
        super().__init__(f"This account has {limit} chatrooms, which is the limit. Delete one to create another.")


class TooManyInstructions(DomainError):
    """The instructions of the account's rooms would be longer together than one account may store."""

    code = "too_many_instructions"
    kind = Kind.CONFLICT

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The instructions of this account's chatrooms would have more than {limit} bytes together. Shorten some."
        )


class QuotaExceeded(DomainError):
    """The plan's messages for this UTC day are used up."""

    code = "quota_exceeded"
    kind = Kind.TOO_MANY

    def __init__(self, allowance: Allowance) -> None:
        super().__init__(f"The {allowance.limit} messages that the plan allows a day are used. More come at 00:00 UTC.")
        self.allowance = allowance


class TooManyPending(DomainError):
    """The account has as many unfinished replies as one account may have. `retry_after` is in seconds."""

    code = "too_many_pending"
    kind = Kind.TOO_MANY
    retry_after = 1.0

    def __init__(self, limit: int, allowance: Allowance) -> None:
        super().__init__(f"{limit} replies of this account are still being written. Wait for one to end.")
        self.allowance = allowance


class IdempotencyMismatch(DomainError):
    """The Idempotency-Key was used in this room before, for another operation or with a different body."""

    code = "idempotency_key_reused"
    kind = Kind.MISMATCH
    detail = "This Idempotency-Key was already used in this chatroom with another body. Use a new key."


class ModelFailed(Exception):
    """A model did not finish a reply. `code` and `detail` may be shown to the account that asked.

    `usage` is what the attempt cost, if the provider said so before it failed. `cause` is for operators: what the
    provider answered, without any text of the conversation.
    """

    def __init__(self, code: str, detail: str, *, usage: TokenUsage | None = None, cause: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.usage = usage
        self.cause = cause


class ModelUnavailable(ModelFailed):
    """Another attempt may succeed: overload, a lost connection, silence, an end without a finish reason.

    `retry_after` is the delay that the vendor asked for, in seconds, or None.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        retry_after: float | None = None,
        usage: TokenUsage | None = None,
        cause: str = "",
    ) -> None:
        super().__init__(code, detail, usage=usage, cause=cause)
        self.retry_after = retry_after


class ModelRefused(ModelFailed):
    """Another attempt would fail too: a blocked prompt, a rejected key, a request that the vendor never accepts."""


# Codes of a ModelRefused that say nothing of the conversation: another model may answer it.
PROVIDER_REFUSALS = frozenset({"model_rejected_key", "model_not_found", "model_not_offered", "model_setup_failed"})


# Codes of failures that a user can bring about by what they write, although the provider is paid for the attempt. Not
# of a request that it rejects: it is paid nothing for that, and mostly the operator's settings are the cause.
CONVERSATION_FAILURES = frozenset({"prompt_blocked", "content_blocked", "empty_answer"})


class ContextTooLong(ModelFailed):
    """The conversation is longer than the model can read. A shorter one may be accepted."""

    def __init__(self, detail: str, *, cause: str = "") -> None:
        super().__init__("context_too_long", detail, cause=cause)
