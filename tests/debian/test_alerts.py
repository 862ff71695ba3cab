"""The alert rules of docs/metrics.md, given to Prometheus' own checker."""

import re
import subprocess
from pathlib import Path

from tests.container.image import REPOSITORY


def test_prometheus_accepts_the_rules(tmp_path: Path) -> None:
    page = (REPOSITORY / "docs" / "metrics.md").read_text()
    [rules] = re.findall(r"```yaml\n(groups:.*?)```", page, re.DOTALL)
    (tmp_path / "parley.yml").write_text(rules)
    checked = subprocess.run(
        ["promtool", "check", "rules", "--lint-fatal", "parley.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"SUCCESS: {rules.count('- alert:')} rules found" in checked.stdout
