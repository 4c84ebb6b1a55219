"""The first start: the console says where it is claimed, and whoever claims it is signed in through the gateway."""

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.e2e.node import Node, running_node

pytestmark = pytest.mark.slow


def ask(node: Node, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, str]:
    connection = http.client.HTTPConnection("127.0.0.1", node.server.port, timeout=30)
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    answer = connection.getresponse()
    content = answer.read()
    cookie = (answer.headers["set-cookie"] or "").partition(";")[0]
    connection.close()
    return answer.status, json.loads(content) if content else None, cookie


def test_the_first_start(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        stdout = node.server.process.stdout
        assert stdout is not None
        before, _, link = stdout.readline().strip().partition(" at ")
        assert before == "claim the console"
        shown = subprocess.run(
            [sys.executable, "-m", "gantry.cli.main", "console", "link", "--home", str(node.home)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert shown.stdout.strip() == link
        parts = urlsplit(link)
        assert (parts.port, parts.path) == (node.server.port, "/ui/claim")
        form = {
            "token": parse_qs(parts.query)["token"][0],
            "email": "ada@example.com",
            "name": "Ada",
            "password": "a long sentence of hers",
        }
        status, session, cookie = ask(node, "POST", "/api/session/claim", form)
        assert (status, session["role"]) == (200, "owner")
        status, _, _ = ask(node, "GET", "/api/limits", cookie=cookie)
        assert status == 200
        status, sessions, _ = ask(
            node, "GET", "/api/people/me/sessions", cookie=cookie, **{"x-gantry-client-address": "203.0.113.9"}
        )
        assert (status, [one["address"] for one in sessions]) == (200, ["127.0.0.1"])
        chat = {"model": "mistral-small-latest", "messages": [{"role": "user", "content": "Hello"}]}
        status, _, _ = ask(
            node, "POST", "/api/chat/completions", chat, cookie=cookie, **{"x-gantry-csrf": session["csrf"]}
        )
        assert status == 401  # a session is for the console alone
