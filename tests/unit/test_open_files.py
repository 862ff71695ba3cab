"""How many connections fit into the limit of open files."""

import resource
import subprocess
import sys

import pytest

ASK = "from parley.runtime.open_files import connections_within_file_limit as fit; print(fit({wanted}))"


@pytest.mark.parametrize(("limit", "wanted", "fit"), [(500, 0, 244), (500, 100, 100), (500, 900, 244), (100, 0, 64)])
def test_connections_fit_into_the_hard_limit(limit, wanted, fit):
    """In a process of its own, whose limits can be lowered."""
    process = subprocess.run(
        [sys.executable, "-c", ASK.format(wanted=wanted)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 90), limit)),
        capture_output=True,
        check=True,
        text=True,
    )
    assert int(process.stdout) == fit
