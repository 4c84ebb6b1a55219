"""The unit: it runs commands that exist, waits for a drain, and is held in; `systemd-analyze` reads it where it is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.patience import longest_end, settings_of_the_environment
from tests.test_docs import find_command

SYSTEMD = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
UNIT = SYSTEMD / "gantry.service"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze here")
MOST_EXPOSED = 2.0  # of 10, as `systemd-analyze security` counts


def assignments() -> list[tuple[str, str]]:
    """Return the assignments of the unit in order; some names stand there more than once."""
    lines = [line for line in UNIT.read_text().splitlines() if line and line[0] not in "#["]
    return [(name, value) for name, _, value in (line.partition("=") for line in lines)]


def value_of(name: str) -> str:
    (value,) = [value for known, value in assignments() if known == name]
    return value


@pytest.mark.parametrize("name", ["ExecStartPre", "ExecStart"])
def test_it_runs_commands_that_exist(name: str) -> None:
    program, *words = value_of(name).split()
    assert Path(program).name == "gantry"
    context, left = find_command(words)
    context.command.make_context(context.info_name, left, parent=context.parent).close()


def test_the_end_is_waited_for() -> None:
    assert float(value_of("TimeoutStopSec")) > longest_end()
    assert (value_of("KillMode"), value_of("Restart")) == ("mixed", "on-failure")


def test_it_writes_to_its_home_alone() -> None:
    assert value_of("ProtectSystem") == "strict"
    assert value_of("StateDirectory") == "gantry"
    assert f"GANTRY_HOME=/var/lib/{value_of('StateDirectory')}" in value_of("Environment").split()
    assert [name for name, _ in assignments() if name in ("ReadWritePaths", "BindPaths")] == []
    assert value_of("CapabilityBoundingSet") == ""


def test_the_environment_s_file_names_settings_and_keys_of_providers() -> None:
    names = re.findall(r"^# ([A-Z_]+)=", (SYSTEMD / "gantry.env").read_text(), re.MULTILINE)
    assert names
    assert {name for name in names if name.startswith("GANTRY_")} <= settings_of_the_environment()


@needs_systemd
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    assert ANALYZE is not None
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/gantry/bin/gantry", "/bin/true"))
    done = subprocess.run([ANALYZE, "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_systemd_finds_it_little_exposed() -> None:
    assert ANALYZE is not None
    command = [ANALYZE, "security", "--offline=yes", "--no-pager", str(UNIT)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if "nrecognized option" in said.stderr:
        pytest.skip("this systemd-analyze knows no --offline (250 and newer do)")
    found = re.search(r"Overall exposure level for gantry.service: ([\d.]+)", said.stdout)
    assert found is not None, said.stderr
    assert float(found[1]) <= MOST_EXPOSED
