"""A command run in this process, on a home of its own and an environment without ours."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gantry.cli.main import gantry
from gantry.providers.spec import load_catalog
from tests.postgresql import settings_of

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    specs = load_catalog().values()
    offered = {variable for spec in specs for variable in spec.environment}
    offered |= {variable for spec in specs for item in spec.fields for variable in item.environment}
    for variable in list(os.environ):
        if variable.startswith("GANTRY_") or variable in offered:
            monkeypatch.delenv(variable)


@pytest.fixture
def home_path(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def run(home_path: Path) -> Run:
    """Run `gantry` with these arguments; the exit code is checked, 0 by default."""

    def call(*arguments: str, code: int = 0, stdin: str = "", **environ: str) -> Result:
        given = {"GANTRY_HOME": str(home_path), **settings_of(home_path)}
        result = CliRunner().invoke(gantry, arguments, input=stdin, env=given | environ)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return call
