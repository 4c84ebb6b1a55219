"""`gantry retention`: said, shown, and refused where it makes no sense; the settings hold where nobody has said."""

import json

from tests.cli.conftest import Run


def test_what_is_said_holds_over_the_settings(run: Run) -> None:
    assert json.loads(run("retention", "show", GANTRY_RETENTION_DAYS="90").stdout)["days"] == 90
    said = json.loads(run("retention", "set", "--body-days", "7", GANTRY_RETENTION_DAYS="90").stdout)
    assert (said["days"], said["body_days"], said["waiting"]) == (90, 7, 0)
    run("retention", "set", "--for-ever", "days", "--max-bytes", "5000000")
    shown = json.loads(run("retention", "show", GANTRY_RETENTION_DAYS="90").stdout)
    assert (shown["days"], shown["body_days"], shown["max_bytes"]) == (None, 7, 5_000_000)
    assert "say what is to change" in run("retention", "set", code=2).stderr
    assert "max_bytes" in run("retention", "set", "--max-bytes", "5", code=1).stderr
