"""The condition of an unfinished reply, as the partial index has it."""

from parley.adapters.sql.engine.statements import literals
from parley.adapters.sql.engine.tables import messages
from parley.core.chat.model import Status

# In the order of the index.
UNFINISHED = literals(Status.PENDING.value, Status.GENERATING.value)
unfinished = messages.c.status.in_(UNFINISHED)
