"""The program: its first line, its end, its table of faults."""

import signal
import subprocess
import sys
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from gantry.simulator.command import command


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_announces_itself_serves_and_ends_when_told(number: signal.Signals) -> None:
    process = subprocess.Popen(
        (sys.executable, "-m", "gantry.simulator", "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("simulator listening on http://127.0.0.1:")
        url = line.removeprefix("simulator listening on ").strip()
        with urlopen(Request(url + "/v1/models", headers={"authorization": "Bearer k"}), timeout=20) as answer:
            assert answer.status == 200
        process.send_signal(number)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def test_the_faults_are_listed() -> None:
    result = CliRunner().invoke(command, ["--faults"])
    assert result.exit_code == 0
    assert "cut                between-events|mid-event|before-end" in result.output
