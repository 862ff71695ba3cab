"""The trace of an id on its way through Redis."""

from uuid import UUID

from taskiq import TaskiqMessage, TaskiqMiddleware

from parley.adapters.tracing import Traces

LABEL = "traceparent"


class TraceLabels(TaskiqMiddleware):
    """Messages carry the origin of their id, which holds ids and nothing else."""

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
