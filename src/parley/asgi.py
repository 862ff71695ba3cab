"""The application for an ASGI server, `uvicorn parley.asgi:app`, with settings from the environment."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from parley.runtime.gc_tuning import tuned_garbage_collection
from parley.runtime.optional_packages import without_optional_packages
from parley.runtime.settings_errors import exit_on_settings_error
from parley.settings import read_settings

with exit_on_settings_error():
    settings = read_settings()
    with tuned_garbage_collection():
        with without_optional_packages():
            from parley.bootstrap import bootstrap
            from parley.bootstrap.database import check_database
            from parley.bootstrap.processes import api_application
            from parley.runtime.logging import configure_logs

        configure_logs(form=settings.log_format, level=settings.log_level)
        parley = bootstrap(settings)
        with without_optional_packages():
            app = api_application(parley)
    # In a thread, since servers import this module while their event loop runs.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, check_database(settings)).result()
