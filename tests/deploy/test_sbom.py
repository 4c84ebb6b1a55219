"""The bill of materials: every pin and every package of the console's lock file is in it, once, and it has its form."""

import json
from pathlib import Path

import pytest

from deploy.sbom import ROOT, console_components, describe_release, names_of, python_components

PINS = """\
alpha==1.0 \\
    --hash=sha256:{0} \\
    --hash=sha256:{1}
Beta-Two==2.0rc1 ; sys_platform == 'win32' \\
    --hash=sha256:{1}
""".format("a" * 64, "b" * 64)


def test_pins_are_read_with_their_digests_and_markers() -> None:
    alpha, beta = python_components(PINS, frozenset({"alpha"}))
    assert (alpha["purl"], alpha["scope"]) == ("pkg:pypi/alpha@1.0", "required")
    assert [known["value"] for known in alpha["properties"]] == ["a" * 64, "b" * 64]
    assert (beta["name"], beta["version"], beta["scope"]) == ("beta-two", "2.0rc1", "optional")
    assert beta["properties"][0] == {"name": "gantry:installed-where", "value": "sys_platform == 'win32'"}


def test_the_console_s_packages_are_those_that_are_not_for_development() -> None:
    lock = {
        "packages": {
            "": {"name": "root"},
            "node_modules/@a/b": {"version": "1.0.0", "license": "MIT", "integrity": "sha512-AAAA"},
            "node_modules/@a/b/node_modules/c": {"version": "2.0.0"},
            "node_modules/d": {"version": "3.0.0", "dev": True},
        }
    }
    first, second = console_components(lock)
    assert (first["purl"], first["hashes"]) == ("pkg:npm/%40a/b@1.0.0", [{"alg": "SHA-512", "content": "000000"}])
    assert (second["name"], second["purl"]) == ("c", "pkg:npm/c@2.0.0")


def test_the_release_s_bill_has_everything_once_and_is_the_same_each_time(tmp_path: Path) -> None:
    wheel = tmp_path / "some.whl"
    wheel.write_bytes(b"a wheel")
    bill = describe_release(ROOT, wheel)
    assert bill == describe_release(ROOT, wheel)
    assert bill["serialNumber"] != describe_release(ROOT, None)["serialNumber"]
    components = bill["components"]
    refs = [component["bom-ref"] for component in components]
    assert len(refs) == len(set(refs))
    named = {component["name"]: component for component in components}
    assert names_of((ROOT / "requirements" / "fleet.txt").read_text()) < set(named)
    dependencies = json.loads((ROOT / "ui" / "package.json").read_text())["dependencies"]
    assert set(dependencies) < set(named)
    assert named["uvloop"]["scope"] == "required"
    assert named["redis"]["scope"] == "optional"
    assert "hatchling" not in named, "it builds, and is not part of it"
    assert [name for name in ("uvloop", "httptools", "msgspec", "react") if "licenses" not in named[name]] == []


def test_the_bill_is_cyclonedx() -> None:
    """Against the schema itself, where its library is installed."""
    validation = pytest.importorskip("cyclonedx.validation.json", reason="cyclonedx-python-lib is not installed")
    version = pytest.importorskip("cyclonedx.schema").SchemaVersion.V1_6
    assert validation.JsonStrictValidator(version).validate_str(json.dumps(describe_release(ROOT, None))) is None
