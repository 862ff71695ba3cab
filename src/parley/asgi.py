"""The application for an ASGI server, `uvicorn parley.asgi:app`, with settings from the environment."""

import sys

from parley.runtime.gc_tuning import tuned_garbage_collection
from parley.settings import SettingsError, read_settings

try:
    settings = read_settings()
    with tuned_garbage_collection():
        from parley.bootstrap import bootstrap
        from parley.bootstrap.processes import api_application
        from parley.runtime.logging import configure_logs

        configure_logs(form=settings.log_format, level=settings.log_level)
        app = api_application(bootstrap(settings))
except SettingsError as error:
    sys.exit(f"parley: {error}")
