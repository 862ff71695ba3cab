"""Example problems of a plan that does not have what is asked for."""

from parley.core.chat.errors import ModelNotInPlan, PlanRoomsUsed
from parley.core.plans import Plan

_FREE = Plan(name="free", title="Free", max_rooms=3)
MODEL_NOT_IN_PLAN = ModelNotInPlan(_FREE, "openai/gpt-5", default="gemini/gemini-flash-latest")
ROOM_MODEL_NOT_IN_PLAN = ModelNotInPlan(_FREE, "openai/gpt-5", default="gemini/gemini-flash-latest", of_room=True)
PLAN_ROOMS_USED = PlanRoomsUsed(_FREE)
