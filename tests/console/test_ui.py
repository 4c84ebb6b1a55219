"""The web console's files: one page for every address, under a strict policy, and nothing from outside the build."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gantry.console import ui

PAGE = b'<!doctype html><meta name="csp-nonce" content="__NONCE__"><script src="/ui/assets/a-1.js"></script>'


@pytest.fixture(autouse=True)
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_bytes(PAGE)
    (folder / "assets" / "a-1.js").write_bytes(b"say('hello');\n" * 200)
    (folder / "icon.svg").write_bytes(b"<svg/>")
    (tmp_path / "secret.txt").write_text("not of the build")
    monkeypatch.setattr(ui, "STATIC", folder)
    ui._read.cache_clear()
    ui._names.cache_clear()
    return folder


@pytest.mark.parametrize("path", ["/ui", "/ui/", "/ui/logs", "/ui/logs?log=1", "/ui/index.html"])
def test_every_address_is_the_one_page_with_a_nonce_of_its_own(client: TestClient, path: str) -> None:
    answer, other = client.get(path), client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    nonce = re.search(r'csp-nonce" content="([^"]{20,})"', answer.text)
    assert nonce is not None
    assert f"'nonce-{nonce[1]}'" in answer.headers["content-security-policy"]
    assert nonce[1] not in other.text


def test_the_policy_lets_nothing_in_from_elsewhere(client: TestClient) -> None:
    policy = client.get("/ui").headers["content-security-policy"]
    rules = {name: rest for name, _, rest in (rule.strip().partition(" ") for rule in policy.split(";"))}
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize(("accepted", "coding"), [("gzip, br", "br"), ("gzip", "gzip"), ("identity", None)])
def test_files_are_kept_for_a_year_and_come_compressed(client: TestClient, accepted: str, coding: str | None) -> None:
    answer = client.get("/ui/assets/a-1.js", headers={"accept-encoding": accepted})
    assert answer.content == b"say('hello');\n" * 200
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_other_files_are_asked_for_again(client: TestClient) -> None:
    assert client.get("/ui/icon.svg").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["/ui/assets/b.js", "/ui/%2e%2e/secret.txt", "/ui/assets/..%2f..%2fsecret.txt", "/ui/a%00.js", "/ui//etc/a.b"],
)
def test_there_is_nothing_outside_the_build(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/ui/assets/x%2f..%2fa-1.js", "/ui/.%2fassets/a-1.js"])
def test_a_file_has_one_name_and_no_other_is_kept(client: TestClient, path: str) -> None:
    assert client.get("/ui/assets/a-1.js").status_code == 200
    kept = ui._read.cache_info().currsize
    assert client.get(path).status_code == 404
    assert ui._read.cache_info().currsize == kept


def test_a_copy_without_the_console_says_how_to_make_it(client: TestClient, build: Path) -> None:
    (build / "index.html").unlink()
    answer = client.get("/ui")
    assert answer.status_code == 404
    assert "scripts/ui" in answer.json()["detail"]
