"""`gantry serve`: its options, what it hands to its children, and how it refuses to start."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from msgspec import structs

from gantry.cli import serve as serve_module
from gantry.cli.main import gantry
from gantry.cli.serve import WORKER_SETTINGS_VARIABLE, command, worker_message
from gantry.core.secret import Secret
from gantry.gateway.limits import WorkerLimits
from gantry.gateway.worker import WorkerSettings
from gantry.home import Home
from gantry.settings import ServeSettings, WhenFull, list_settings
from gantry.supervisor import Role
from tests.dial.certificates import Authority


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith("GANTRY_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(variable)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Catch what would have been served."""
    caught: dict[str, Any] = {}
    monkeypatch.setattr(serve_module, "serve", lambda home, **arguments: caught.update(arguments, home=home))
    return caught


def invoke(home: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(gantry, ["serve", "--home", str(home), *arguments], env=environment)


def test_every_setting_has_an_option_except_secrets() -> None:
    options = {parameter.name for parameter in command.params}
    assert options == {"home", *(setting.name for setting in list_settings())} - {
        "database_url",
        "logs_url",
        "otlp_headers",
        "redis_url",
        "smtp_url",
    }


def test_defaults(served: dict[str, Any], tmp_path: Path) -> None:
    assert invoke(tmp_path).exit_code == 0
    assert (served["host"], served["port"], served["scheme"]) == ("127.0.0.1", 8790, "http")
    assert served["workers"] >= 1
    assert list(served["environment"]) == [WORKER_SETTINGS_VARIABLE]


def test_flags_win_and_reach_the_children_as_variables(served: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "gantry.toml").write_text("port = 1\ndrain_timeout = 5.0\n")
    result = invoke(
        tmp_path, "--port", "3", "--log-level", "debug", environment={"GANTRY_PORT": "2", "GANTRY_WORKERS": "3"}
    )
    assert result.exit_code == 0, result.output
    assert (served["port"], served["workers"]) == (3, 3)
    assert served["patience"].drain == 5.0
    assert served["environment"]["GANTRY_PORT"] == "3"
    assert served["environment"]["GANTRY_LOG_LEVEL"] == "debug"
    assert served["commands"][Role.WORKER][-2:] == ("--log-level", "debug")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--port", "70000"), "--port"),
        (("--workers", "many"), "--workers"),
        (("--workers", "1000"), "between 1 and 61"),
        (("--host", "a" * 64 + ".example"), "--host"),
    ],
)
def test_a_value_that_cannot_be_used_names_its_flag(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    result = invoke(tmp_path, *arguments)
    assert result.exit_code == 1
    assert said in result.output
    assert "Traceback" not in result.output


def test_a_certificate_makes_it_https(served: dict[str, Any], tmp_path: Path) -> None:
    pair = str(Authority(tmp_path).issue("gantry.test"))
    assert invoke(tmp_path, "--tls-certificate", pair, "--tls-key", pair).exit_code == 0
    assert served["scheme"] == "https"
    message = msgspec.json.decode(served["environment"][WORKER_SETTINGS_VARIABLE], type=WorkerSettings)
    assert (message.tls_certificate, message.tls_key) == (pair, pair)


def test_a_certificate_that_cannot_be_used_is_refused(served: dict[str, Any], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair, other = str(authority.issue("gantry.test")), str(authority.issue("other.test"))
    for key, said in ((other, "other.test.pem is not the key of"), ("/none.pem", "/none.pem cannot be read")):
        result = invoke(tmp_path, "--tls-certificate", pair, "--tls-key", key)
        assert result.exit_code == 1
        assert said in result.output
    assert not served


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = invoke(tmp_path, "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 1
    assert "choose another with --port" in result.output


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert invoke(tmp_path / "file" / "home").exit_code == 1


def test_workers_get_every_limit_and_no_database() -> None:
    settings = ServeSettings(
        database_url=Secret("postgresql://user:canary@db/gantry"),
        ca_bundle=Path("/etc/ca.pem"),
        upstream_proxy="http://proxy:3128",
        no_proxy="localhost, .internal,",
        journal_full=WhenFull.PASS,
        counters_full=WhenFull.REFUSE,
        redis_url=Secret("redis://:canary@redis:6379/0"),
        max_body_bytes=5,
        total_timeout=7.0,
    )
    message = worker_message(settings)
    assert "canary" not in message
    received = msgspec.json.decode(message, type=WorkerSettings)
    assert received.ca_bundle == "/etc/ca.pem"
    assert received.https_proxy == "http://proxy:3128"
    assert received.no_proxy == ("localhost", ".internal")
    assert received.limits.max_body_bytes == 5
    assert received.limits.total_timeout == 7.0
    assert received.limits.refuse_when_journal_full is False
    assert received.limits.refuse_when_counters_full is True


def test_the_message_names_only_what_workers_know() -> None:
    sent = msgspec.json.decode(worker_message(ServeSettings(total_timeout=1.0, max_snapshot_age=1.0)))
    assert set(sent) <= {field.name for field in structs.fields(WorkerSettings)}
    assert set(sent["limits"]) == {field.name for field in structs.fields(WorkerLimits)}


def test_the_defaults_of_settings_and_workers_agree() -> None:
    received = msgspec.json.decode(worker_message(ServeSettings()), type=WorkerSettings)
    assert received == WorkerSettings()


def test_the_home_comes_from_the_environment(served: dict[str, Any], tmp_path: Path) -> None:
    CliRunner().invoke(gantry, ["serve"], env={"GANTRY_HOME": str(tmp_path)})
    assert served["home"].path == Home(tmp_path).path
