"""The manifests of docs/kubernetes.md, given to Kubernetes' own schemas, and their settings given to parley."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from parley.settings import read_settings
from tests.container.image import REPOSITORY, stages

PAGE = (REPOSITORY / "docs" / "kubernetes.md").read_text()
[MANIFESTS] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
# The oldest and the newest that the checker knows and that are still served by hosters.
VERSIONS = ("1.30", "1.37")


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(MANIFESTS))


def named(kind: str, name: str) -> dict[str, Any]:
    [found] = [each for each in documents() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_the_schemas_accept_the_manifests(version: str, tmp_path: Path) -> None:
    (tmp_path / "parley.yaml").write_text(MANIFESTS)
    checker = Path(sys.executable).with_name("kubernetes-validate")
    command = [checker, "--strict", "--kubernetes-version", version, "parley.yaml"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert (checked.stdout + checked.stderr).count(" passed ") == len(documents())


def test_parley_accepts_the_settings_for_production(tmp_path: Path) -> None:
    secrets = dict(re.findall(r"--from-literal=(\w+)='([^']*)'", PAGE))
    made = dict.fromkeys(
        re.findall(r'--from-literal=(\w+)="\$\(openssl', PAGE), "q8Zr1nLx0WmT7vKc3YbJ5uHd9sGf2eAp6tRiQoVy4XMk"
    )
    settings = read_settings(named("ConfigMap", "parley")["data"] | secrets | made, dotenv=tmp_path / ".env")
    assert settings.environment == "production"
    assert settings.public_url.startswith("https://")


def test_probes_ports_and_commands_are_those_of_the_product() -> None:
    api, worker = (named("Deployment", f"parley-{name}")["spec"]["template"]["spec"] for name in ("api", "worker"))
    for pod, port in ((api, 8000), (worker, 9101)):
        [container] = pod["containers"]
        assert container["ports"][0]["containerPort"] == port
        paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("liveness", "readiness")}
        assert paths == {"liveness": "/health/live", "readiness": "/health/ready"}
        assert container["livenessProbe"]["httpGet"]["port"] == container["ports"][0]["name"]
    assert worker["containers"][0]["env"] == [{"name": "WORKER_METRICS_PORT", "value": "9101"}]
    [_, final] = stages()
    assert str(api["containers"][0]["ports"][0]["containerPort"]) == final.one("EXPOSE")
    arguments = worker["containers"][0]["args"]
    assert worker["terminationGracePeriodSeconds"] > int(arguments[arguments.index("--wait-tasks-timeout") + 1]) + 5
