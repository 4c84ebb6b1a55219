"""`gantry`: every command is where the table says, and none is imported before it is called."""

import errno
import os
import subprocess
import sys

import click
import pytest

from gantry.cli import main
from gantry.cli.main import COMMANDS, gantry
from tests.cli.conftest import Run


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_the_table_says(name: str) -> None:
    context = click.Context(gantry)
    command = gantry.get_command(context, name)
    assert isinstance(command, click.Command)
    assert command.help


def test_the_overview_names_them_all(run: Run) -> None:
    text = run("--help").stdout
    assert all(f"  {name} " in text for name in COMMANDS)
    assert "No such command 'nothing'" in run("nothing", code=2).stderr
    assert run("--version").stdout.startswith("gantry, version ")


@pytest.mark.slow
def test_the_overview_and_serve_import_no_database() -> None:
    program = (
        "import sys; from click.testing import CliRunner; from gantry.cli.main import gantry\n"
        "for arguments in (['--help'], ['serve', '--help']):\n"
        "    result = CliRunner().invoke(gantry, arguments); assert result.exit_code == 0, result.output\n"
        "found = {'sqlalchemy', 'alembic', 'fastapi', 'pydantic'} & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_home_of_somebody_elses_is_said_to_be_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(prog_name: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/var/lib/gantry/board")

    monkeypatch.setattr(main, "gantry", refuse)
    with pytest.raises(SystemExit, match="1"):
        main.main()
    said = capsys.readouterr().err
    assert said == "Error: /var/lib/gantry/board: Permission denied. Run it as the user that the gateway runs as.\n"
