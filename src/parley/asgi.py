"""The entry for an ASGI server: `uvicorn parley.asgi:app`, set by the environment."""

from parley.bootstrap import bootstrap
from parley.logs import configure_logs
from parley.settings import read_settings

settings = read_settings()
configure_logs(form=settings.log_format, level=settings.log_level)
app = bootstrap(settings).app
