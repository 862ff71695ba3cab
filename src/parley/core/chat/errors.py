"""Errors of the chat module, and the two kinds of failure of a model."""

from datetime import datetime

from parley.core.chat.allowance import Allowance
from parley.core.chat.tokens import TokenUsage
from parley.core.errors import DomainError, InvalidInput, Kind
from parley.core.plans import Plan
from parley.core.token_limits import MONTHLY


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


class ReplyNotFound(DomainError):
    """The account has no reply with that id, or has forgotten it."""

    code = "reply_not_found"
    kind = Kind.NOT_FOUND
    detail = "There is no such reply in this account."


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


class NotTheLastMessage(DomainError):
    """Other messages depend on the message, or it is not written yet."""

    code = "not_the_last_message"
    kind = Kind.CONFLICT
    detail = (
        "Only the last message of the branch that is shown can be deleted, once it is written, if it is not the first "
        "one and has no alternatives. Delete the chatroom to delete everything."
    )


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


class PlanLimit(DomainError):
    """The account's plan does not have what was asked for, though another plan may."""

    code = "plan_limit"
    kind = Kind.FORBIDDEN


class ModelNotInPlan(PlanLimit):
    """The model is on offer, but not in the account's plan. `default` is the plan's."""

    def __init__(self, plan: Plan, model: str, *, default: str, of_room: bool = False) -> None:
        found = f"The plan {plan.title!r} does not have the model {model!r}"
        advice = (
            f", which this chatroom uses. Choose another model for the chatroom or for the message, such as {default!r}"
            if of_room
            else f". Choose another model, such as {default!r}; GET /models lists them"
        )
        super().__init__(f"{found}{advice}, or another plan: GET /plans lists what each has.")


class PlanRoomsUsed(PlanLimit):
    """The account has as many rooms as its plan allows, or more since a change of the plan."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(
            f"The plan {plan.title!r} allows {plan.max_rooms} chatrooms. Delete one to create another, or choose "
            "another plan: GET /plans lists them."
        )


class PromptTooLong(InvalidInput):
    """The conversation that a client gave is longer than models are sent here."""

    code = "prompt_too_long"

    def __init__(self, limit: int, field: str = "messages") -> None:
        self.limit = limit
        super().__init__(field, f"must have at most {limit:,} characters together")


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
    """The plan's messages for this UTC day, or its tokens for the day or the month, are used up.

    `policy` is the name of that limit in the headers of the quota. `retry_at` is when there are more; None if
    unfinished replies reserve what is missing, which they may return soon.
    """

    code = "quota_exceeded"
    kind = Kind.TOO_MANY

    def __init__(self, allowance: Allowance) -> None:
        self.allowance = allowance
        self.policy, self.limit = "daily", allowance.limit
        self.retry_at: datetime | None = allowance.resets_at
        used_up = allowance.used_up_tokens
        if allowance.remaining != 0 and used_up:
            last = max(used_up, key=lambda each: each.resets_at)
            self.policy, self.limit = last.policy, last.limit
            is_reserved = all(each.tokens.used < (each.limit or 0) for each in used_up)
            self.retry_at = None if is_reserved else last.resets_at
        what = "messages" if self.policy == "daily" else "tokens"
        span = "a month" if self.policy == MONTHLY else "a day"
        more = "Unfinished replies reserve the rest; what they do not use can be used when they have ended."
        if self.retry_at is not None:
            more = f"More come at {self.retry_at:%H:%M UTC on %Y-%m-%d}."
        super().__init__(f"The {self.limit} {what} that the plan allows {span} are used. {more}")


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
