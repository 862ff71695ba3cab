"""Passes the trace of an id from the API to a worker, in a label of the taskiq message."""

from uuid import UUID

from taskiq import TaskiqMessage, TaskiqMiddleware

from parley.adapters.tracing import Traces

LABEL = "traceparent"


class TraceLabels(TaskiqMiddleware):
    """Adds the origin of a message's id as a label, and remembers it on the other side. It contains only trace ids."""

    def __init__(self, traces: Traces) -> None:
        super().__init__()
        self._traces = traces

    def pre_send(self, message: TaskiqMessage) -> TaskiqMessage:
        origin = self._traces.queued(UUID(message.args[0]))
        if origin is not None:
            message.labels[LABEL] = origin
        return message

    def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
        origin = message.labels.get(LABEL)
        if isinstance(origin, str):
            self._traces.remember(UUID(message.args[0]), origin)
        return message
