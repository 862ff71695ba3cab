"""When a connection is read from."""

from uvicorn.protocols.http.flow_control import FlowControl


class Flow(FlowControl):
    """Does not resume reading while a pipeline waits."""

    held = False

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()
