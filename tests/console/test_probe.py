"""A provider's answer that is none: said in words, by whichever command asked."""

import socket
import threading
from collections.abc import Iterator

import pytest

from gantry.cli.model_refresh import ask_for_models
from gantry.console.probe import probe
from gantry.core.secret import Secret
from gantry.providers.spec import load_catalog

SECRETS = {"api_key": Secret("canary")}


@pytest.fixture(params=[b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"])
def odd_server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Answers each connection with the same bytes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(request.param)

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_an_answer_that_is_not_http_is_a_failure_in_words(odd_server: str) -> None:
    spec = load_catalog()["openai"]
    verdict = probe(odd_server, spec, SECRETS, None)
    listed = ask_for_models(odd_server, spec, SECRETS, None)
    assert (verdict.ok, listed.error) == (False, verdict.text)
    assert "not HTTP" in verdict.text
    assert "canary" not in verdict.text


def test_no_secret_goes_where_a_cloud_keeps_its_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    verdict = probe("http://friendly.test", load_catalog()["openai"], SECRETS, None)
    assert verdict.ok is False
    assert "169.254.169.254 is not an address that a provider can have" in verdict.text
