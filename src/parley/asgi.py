"""The entry for an ASGI server: `uvicorn parley.asgi:app`, set by the environment."""

import sys

from parley.kept import kept_for_good
from parley.settings import SettingsError, read_settings

try:
    settings = read_settings()
    with kept_for_good():
        from parley.bootstrap import bootstrap
        from parley.logs import configure_logs

        configure_logs(form=settings.log_format, level=settings.log_level)
        app = bootstrap(settings).app
except SettingsError as error:
    sys.exit(f"parley: {error}")
