"""The Helm chart, rendered by helm where it is installed: nodes end in peace, read real settings, and are held in."""

import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gantry.home import Home
from gantry.settings import read_config
from tests.deploy.patience import longest_end

CHART = Path(__file__).resolve().parents[2] / "deploy" / "helm" / "gantry"
HELM = shutil.which("helm")
FLEET = ("replicas=3", "secret=gantry", "tlsSecret=tls", "networkPolicy.enabled=true", "serviceMonitor.enabled=true")
_PRE_STOP = 5.0

pytestmark = pytest.mark.skipif(HELM is None, reason="there is no helm here")


def helm(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    assert HELM is not None
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, check=False)


def render(*values: str) -> Mapping[str, list[Any]]:
    """Return what the chart makes, by kind."""
    done = helm("template", "gantry", CHART, *(word for value in values for word in ("--set", value)))
    assert done.returncode == 0, done.stderr
    made: dict[str, list[Any]] = {}
    for document in yaml.safe_load_all(done.stdout):
        if document is not None:
            made.setdefault(document["kind"], []).append(document)
    return made


def test_it_is_well_formed() -> None:
    done = helm("lint", "--strict", CHART)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("drain", [5, 30, 600])
def test_a_pod_gets_the_time_to_end(drain: int) -> None:
    made = render(f"drainTimeout={drain}")
    pod = made["StatefulSet"][0]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > _PRE_STOP + longest_end(drain)
    assert tomllib.loads(made["ConfigMap"][0]["data"]["gantry.toml"])["drain_timeout"] == drain


def test_its_configuration_is_accepted(tmp_path: Path) -> None:
    text = render(*FLEET)["ConfigMap"][0]["data"]["gantry.toml"]
    (tmp_path / "gantry.toml").write_text(text)
    read_config(Home(tmp_path))
    assert tomllib.loads(text)["tls_key"] == "/etc/gantry-tls/tls.key"


def test_one_node_needs_nothing_and_several_need_a_secret() -> None:
    assert sorted(render()) == ["ConfigMap", "Service", "StatefulSet"]
    assert "GANTRY_MASTER_KEY" in helm("template", "gantry", CHART, "--set", "replicas=2").stderr


def test_a_fleet_has_all_of_it_and_is_asked_over_https() -> None:
    made = render(*FLEET)
    assert sorted(made) == [
        "ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "Service", "ServiceMonitor", "StatefulSet",
    ]  # fmt: skip
    (container,) = made["StatefulSet"][0]["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "gantry"}}]
    for probe, path in (("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        assert container[probe]["httpGet"] == {"path": path, "port": "gateway", "scheme": "HTTPS"}


@pytest.mark.parametrize("values", [(), FLEET], ids=["one node", "a fleet"])
def test_containers_are_held_in(values: tuple[str, ...]) -> None:
    pod = render(*values)["StatefulSet"][0]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["initContainers"], *pod["containers"]):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["allowPrivilegeEscalation"] is False


def test_services_and_monitor_find_the_pods() -> None:
    made = render(*FLEET)
    labels = made["StatefulSet"][0]["spec"]["template"]["metadata"]["labels"]
    for service in made["Service"]:
        assert service["spec"]["selector"].items() <= labels.items()
    wanted = made["ServiceMonitor"][0]["spec"]["selector"]["matchLabels"]
    scraped = [service for service in made["Service"] if wanted.items() <= service["metadata"]["labels"].items()]
    assert [service["spec"]["clusterIP"] for service in scraped] == ["None"], "each node once"
