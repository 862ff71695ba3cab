"""What the OpenAPI document says beyond the routes: their order, examples of bodies, and what leads where."""

from typing import Any

# In the order in which a reader meets them; a path that is not here comes last.
PATHS = (
    "/auth/signup",
    "/auth/send-otp",
    "/auth/verify-otp",
    "/auth/login",
    "/auth/refresh",
    "/auth/logout",
    "/auth/sessions",
    "/auth/sessions/{session_id}",
    "/auth/forgot-password",
    "/auth/reset-password",
    "/auth/change-password",
    "/user/me",
    "/user/me/export",
    "/user/usage",
    "/chatroom/usage",
    "/auth/me",
    "/models",
    "/chatroom",
    "/chatroom/{chatroom_id}",
    "/chatroom/{chatroom_id}/message",
    "/chatroom/{chatroom_id}/messages",
    "/chatroom/{chatroom_id}/messages/{message_id}",
    "/chatroom/{chatroom_id}/messages/{message_id}/stream",
    "/chatroom/{chatroom_id}/messages/{message_id}/stop",
    "/subscribe/pro",
    "/subscription/status",
    "/subscription/portal",
    "/webhook/stripe",
    "/subscription/pro",
    "/payments/subscribe/pro",
    "/subscribe/status",
    "/payments/subscription/status",
    "/payments/webhook/stripe",
    "/health/live",
    "/health/ready",
    "/metrics",
)

_MIRA = {"email": "mira@example.com"}
_PASSWORD = {"password": "correct horse battery staple"}
_NEW_PASSWORD = {"new_password": "another horse entirely"}

REQUESTS: dict[str, dict[str, Any]] = {
    "signUp": {
        "email": _MIRA | {"name": "Mira"} | _PASSWORD,
        "mobile number": {"mobile_number": "+91 98765 43210", "name": "Mira"},
    },
    "sendOtp": {"email": _MIRA, "mobile number": {"mobile_number": "+91 98765 43210"}},
    "verifyOtp": {
        "code alone": _MIRA | {"otp": "123456"},
        "after a signup": _MIRA | {"otp": "123456", "signup_token": "S3dKf0aVbN1qW8zXc5tYhR"},
    },
    "logIn": {"email": _MIRA | _PASSWORD},
    "forgotPassword": {"email": _MIRA},
    "resetPassword": {"email": _MIRA | {"otp": "123456"} | _NEW_PASSWORD},
    "changePassword": {
        "with the password of now": {"current_password": _PASSWORD["password"]} | _NEW_PASSWORD,
        "after a code": _NEW_PASSWORD,
    },
    "createChatroom": {
        "name alone": {"name": "Holiday plans"},
        "all of it": {
            "name": "Holiday plans",
            "model": "offline/echo",
            "instructions": "Answer in one short paragraph.",
        },
    },
    "postMessage": {"text": {"content": "Where is it warm in May?"}},
}

_ID = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
# What is read of Stripe's events; their own reference has the rest.
STRIPE_EVENT: dict[str, Any] = {
    "type": "object",
    "title": "StripeEvent",
    "description": "An event as Stripe sends and signs it. All else that it holds is left alone",
    "properties": {
        "id": _ID | {"description": "Stored once", "examples": ["evt_1QNv5mLkdIwHu7ix"]},
        "type": _ID | {"description": "What happened", "examples": ["customer.subscription.updated"]},
        "data": {
            "type": "object",
            "description": "What it happened to",
            "properties": {
                "object": {
                    "type": "object",
                    "description": "A checkout session, a subscription or an invoice",
                    "examples": [{"id": "sub_1QNv5mLkdIwHu7ix", "object": "subscription", "customer": "cus_RGf1"}],
                }
            },
            "required": ["object"],
            "examples": [{"object": {"id": "sub_1QNv5mLkdIwHu7ix", "object": "subscription", "customer": "cus_RGf1"}}],
        },
    },
    "required": ["id", "type", "data"],
}

_ROOM = {"chatroom_id": "$response.body#/id"}
_REPLY = {"chatroom_id": "$response.body#/reply/chatroom_id", "message_id": "$response.body#/reply/id"}
_WHO = {"email": "$request.body#/email", "mobile_number": "$request.body#/mobile_number"}


def _link(operation: str, description: str, **more: Any) -> dict[str, Any]:
    return {"operationId": operation, "description": description, **more}


LINKS: dict[str, dict[str, Any]] = {
    "signUp 201": {"code": _link("sendOtp", "A code for the same identity", requestBody=_WHO)},
    "sendOtp 200": {
        "signIn": _link("verifyOtp", "With OTP_SENDER=response", requestBody=_WHO | {"otp": "$response.body#/otp"})
    },
    "forgotPassword 200": {
        "reset": _link(
            "resetPassword",
            "With OTP_SENDER=response",
            requestBody=_WHO | {"otp": "$response.body#/otp"} | _NEW_PASSWORD,
        )
    },
    "verifyOtp 200": {
        "refresh": _link("refresh", "A new pair", requestBody={"refresh_token": "$response.body#/refresh_token"})
    },
    "listSessions 200": {
        "end": _link("endSession", "The newest of them", parameters={"session_id": "$response.body#/items/0/id"})
    },
    "createChatroom 201": {
        "read": _link("getChatroom", "The chatroom", parameters=_ROOM),
        "change": _link("changeChatroom", "Another name", parameters=_ROOM),
        "say": _link("postMessage", "Say something in it", parameters=_ROOM),
        "history": _link("listMessages", "What is said in it", parameters=_ROOM),
        "delete": _link("deleteChatroom", "It goes with its messages", parameters=_ROOM),
    },
    "postMessage 202": {
        "watch": _link("streamReply", "The reply as it is written", parameters=_REPLY),
        "read": _link("getMessage", "The reply so far", parameters=_REPLY),
        "stop": _link("stopReply", "No more of it", parameters=_REPLY),
    },
}
