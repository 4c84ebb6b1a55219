"""What `gantry doctor` says of a certificate: in time, soon over, over, and one that the next start refuses."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gantry.cli.certificate_end import look_at_certificate
from gantry.cli.doctor import examine
from gantry.cli.finding import Verdict
from gantry.home import Home
from tests.dial.certificates import Authority

HOUR = timedelta(hours=1)  # for which that authority's certificates hold


@pytest.mark.parametrize(
    ("ahead", "verdict", "said"),
    [
        (timedelta(days=-30), Verdict.OK, "holds until"),
        (timedelta(days=-1), Verdict.WARN, "holds until"),
        (2 * HOUR, Verdict.FAIL, "has expired"),
    ],
)
def test_it_is_judged_by_its_end(tmp_path: Path, ahead: timedelta, verdict: Verdict, said: str) -> None:
    pair = Authority(tmp_path).issue("gantry.test")
    finding = look_at_certificate(pair, pair, datetime.now(UTC) + ahead)
    assert (finding.verdict, said in finding.message) == (verdict, True)


def test_one_that_a_start_refuses_fails(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    finding = look_at_certificate(authority.issue("a.test"), authority.issue("b.test"), datetime.now(UTC))
    assert finding.verdict is Verdict.FAIL
    assert "is not the key of" in finding.message


def test_the_doctor_looks_at_the_one_of_the_settings(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("gantry.test")
    home = Home(tmp_path / "home")
    home.prepare()
    home.config.write_text(f'tls_certificate = "{pair}"\ntls_key = "{pair}"\n')
    (finding,) = [finding for finding in examine(home) if finding.subject == "certificate"]
    assert finding.verdict is Verdict.WARN
