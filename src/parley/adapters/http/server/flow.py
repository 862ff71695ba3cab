"""What a connection receives, and its flow control."""

from enum import Enum

from uvicorn.protocols.http.flow_control import FlowControl


class Receiving(Enum):
    """What arrives next."""

    NOTHING = "nothing"
    HEAD = "head"
    BODY = "body"


class Flow(FlowControl):
    """Does not resume reading while a pipeline waits."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()
