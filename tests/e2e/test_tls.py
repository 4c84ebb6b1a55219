"""`gantry serve` with a certificate, as a process: what it announces, what it speaks, and what it refuses."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.dial.certificates import Authority
from tests.sdk.roads import GANTRY, listening, quiet_environment

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def test_a_node_with_a_certificate_speaks_https_and_nothing_else(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = str(authority.issue("127.0.0.1"))
    options = ("--home", str(tmp_path / "home"), "--port", "0", "--workers", "1", "--tls-certificate", pair)
    with listening((*GANTRY, "serve", *options, "--tls-key", pair), "gantry listening on ", tmp_path / "log") as url:
        assert url.startswith("https://127.0.0.1:")
        with urllib.request.urlopen(f"{url}/healthz", timeout=20, context=authority.trusting()) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{url}/v1/models", timeout=20, context=authority.trusting())
        assert json.load(refused.value)["detail"]
        refused.value.close()
        with pytest.raises((OSError, ssl.SSLError)):
            urllib.request.urlopen(url.replace("https", "http") + "/healthz", timeout=20)


def test_a_pair_that_does_not_belong_together_is_refused_before_anything_starts(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair, other = str(authority.issue("127.0.0.1")), str(authority.issue("other.test"))
    home = tmp_path / "home"
    done = subprocess.run(
        (*GANTRY, "serve", "--home", str(home), "--port", "0", "--tls-certificate", pair, "--tls-key", other),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=quiet_environment(),
    )
    assert done.returncode == 1
    assert f"{other} is not the key of the certificate in {pair}" in done.stderr
    assert not home.exists()
