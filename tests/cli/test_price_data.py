"""`gantry prices import`: newer published prices are looked at, let hold, and taken back; mistakes are refused."""

import copy
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from gantry.home import Home
from gantry.prices.folder import PriceFolder
from gantry.prices.kept import read_rates
from gantry.prices.rate import Rate
from tests.clerk.test_meter import START as AT
from tests.cli.conftest import Run
from tests.prices.published_data import encoded, published_json

pytestmark = pytest.mark.slow
SMALL = "mistral-small-2603"


@pytest.fixture
def data() -> list[dict[str, Any]]:
    """What came with this version, with one price raised."""
    providers = copy.deepcopy(published_json())
    small(providers)["prices"]["output_mtok"] = 0.7
    return providers


def small(providers: list[dict[str, Any]]) -> dict[str, Any]:
    mistral = next(provider for provider in providers if provider["id"] == "mistral")
    found: dict[str, Any] = next(model for model in mistral["models"] if model["id"] == SMALL)
    return found


def rate_of(home: Home, model: str = SMALL) -> Rate:
    rates = read_rates(home.cache, PriceFolder(home.prices))
    assert rates is not None
    rate = rates.find("mistral", model, AT)
    assert rate is not None
    return rate


def file_of(tmp_path: Path, providers: list[dict[str, Any]]) -> str:
    path = tmp_path / "data.json"
    path.write_bytes(encoded(providers))
    return str(path)


def test_new_prices_are_shown_then_hold_then_are_taken_back(
    run: Run, home_path: Path, tmp_path: Path, data: list[dict[str, Any]]
) -> None:
    file, home = file_of(tmp_path, data), Home(home_path)
    looked = run("prices", "import", file)
    assert "1 prices of 1 models change with --apply" in looked.stderr
    assert looked.stdout.splitlines()[1].split() == ["mistral", SMALL, "output", "1M", "tokens", "0.6", "0.7"]
    assert rate_of(home).prices.output == 600_000_000

    applied = json.loads(run("prices", "import", file, "--apply", "--json").stdout)
    assert applied["applied"]
    rate = rate_of(home)
    assert rate.prices.output == 700_000_000
    assert rate.version == f"genai-prices {applied['version']}"
    assert rate_of(home, "mistral-embed").version == "overrides 2026-11-29"  # ours stand above it
    card = json.loads(run("prices", "show", SMALL, "--json").stdout)
    assert card["price_version"] == rate.version
    assert "These are the prices that hold" in run("prices", "import", file, "--apply").stderr

    assert "those of this version do" in run("prices", "rollback").stdout
    shown = json.loads(run("prices", "show", SMALL, "--json").stdout)
    assert shown["price_version"] == "genai-prices 0.2.3"
    assert "nothing was imported" in run("prices", "rollback", code=1).stderr


def test_pain_zeroed_models_are_refused_until_they_are_named(
    run: Run, home_path: Path, tmp_path: Path, data: list[dict[str, Any]]
) -> None:
    """A price table published at zero billed nobody for twenty minutes: who takes it over must say so."""
    small(data)["prices"] = {"input_mtok": 0, "cache_read_mtok": 0, "output_mtok": 0}
    file = file_of(tmp_path, data)
    refused = run("prices", "import", file, "--apply", code=1)
    assert f"Refused: mistral/{SMALL}." in refused.stderr
    assert "nothing was applied" in refused.stderr
    assert "becomes nothing" in refused.stdout
    assert PriceFolder(Home(home_path).prices).imports() == []
    assert rate_of(Home(home_path)).prices.input == 150_000_000
    run("prices", "import", file, "--apply", "--accept", f"mistral/{SMALL}")
    assert rate_of(Home(home_path)).prices.input == 0


def test_a_malformed_model_is_refused_and_when_accepted_has_no_price(
    run: Run, home_path: Path, tmp_path: Path, data: list[dict[str, Any]]
) -> None:
    small(data)["prices"] = {"input_mtok": "much"}
    file = file_of(tmp_path, data)
    assert "cannot be read" in run("prices", "import", file, "--apply", code=1).stdout
    run("prices", "import", file, "--apply", "--accept", "mistral")
    rates = read_rates(Home(home_path).cache, PriceFolder(Home(home_path).prices))
    assert rates is not None
    assert rates.find("mistral", SMALL, AT) is None


@pytest.mark.parametrize(("content", "why"), [(b"<html>", "it is not JSON"), (b"{}", "it is no list of providers")])
def test_what_is_no_data_is_said(run: Run, tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(content)
    assert why in run("prices", "import", str(path), "--apply", code=1).stderr
    assert "cannot be read: No such file" in run("prices", "import", str(tmp_path / "none"), code=1).stderr


def test_damaged_imports_leave_the_prices_of_this_version(
    run: Run, home_path: Path, tmp_path: Path, data: list[dict[str, Any]]
) -> None:
    run("prices", "import", file_of(tmp_path, data), "--apply")
    home = Home(home_path)
    for table in home.cache.glob("prices-*"):
        table.unlink()
    for file in home.prices.glob("*.json"):
        if file.name != "imports.json":
            file.write_bytes(b"damaged")
    card = json.loads(run("prices", "show", SMALL, "--json").stdout)
    assert card["price_version"] == "genai-prices 0.2.3"


@pytest.fixture
def site(data: list[dict[str, Any]]) -> Iterator[str]:
    """A server that publishes the data under /data.json, and nothing else."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = encoded(data) if self.path == "/data.json" else b""
            self.send_response(200 if body else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_data_is_fetched_from_a_url(run: Run, home_path: Path, site: str) -> None:
    run("prices", "import", f"{site}/data.json", "--apply")
    (imported,) = PriceFolder(Home(home_path).prices).imports()
    assert imported.source == f"{site}/data.json"
    assert rate_of(Home(home_path)).prices.output == 700_000_000
    assert "answered 404" in run("prices", "import", f"{site}/none.json", code=1).stderr
