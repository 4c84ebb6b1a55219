"""The bill of materials of a release, as CycloneDX 1.6 in JSON: what is installed with the wheel, and what is in it.

Law: from files alone, and the same for the same files. Python's packages come from the pins, with their digests, and
their licences from the metadata of those that are installed; those of the web console come from its lock file.

No generator does that: those for Python read pins (without licences) or an environment (without digests), and none sees
the JavaScript that the wheel has in it.

    python -m deploy.sbom [WHEEL]
"""

import base64
import hashlib
import json
import re
import sys
import uuid
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from gantry import __version__

ROOT: Final = Path(__file__).resolve().parent.parent
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?:\s*;\s*([^\\\n]+?))?\s*\\?$")
_DIGEST: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_NAMESPACE: Final = uuid.UUID(
    "6f1e6d2c-2f0c-5f0e-9a57-3a5e1c0b7c11"
)  # of serial numbers, which follow from the content
_NODE_MODULES: Final = "node_modules/"

Component = dict[str, Any]


def python_components(pins: str, needed: frozenset[str]) -> Iterator[Component]:
    """Yield the packages of a file of pins; those that are not needed are of an extra."""
    current: Component | None = None
    for line in pins.splitlines():
        if pin := _PIN.match(line):
            if current is not None:
                yield current
            name, version, marker = pin[1].lower(), pin[2], pin[3]
            scope = "required" if name in needed else "optional"
            current = _component(name, version, f"pkg:pypi/{name}@{quote(version)}", scope, python_licence(name))
            if marker:
                current["properties"].append({"name": "gantry:installed-where", "value": marker})
        elif (digest := _DIGEST.search(line)) and current is not None:
            current["properties"].append({"name": "gantry:sha256-of-a-distribution", "value": digest[1]})
    if current is not None:
        yield current


def names_of(pins: str) -> frozenset[str]:
    return frozenset(pin[1].lower() for line in pins.splitlines() if (pin := _PIN.match(line)))


def python_licence(name: str) -> str | None:
    """Return what an installed package says of its licence; None where it is not installed, or says nothing short."""
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return None
    short = next((text for text in (said["License-Expression"], said["License"]) if text and "\n" not in text), None)
    classifiers = said.get_all("Classifier") or ()
    named = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License :: OSI Approved :: ")]
    return short or " AND ".join(named) or None


def console_components(lock: Mapping[str, Any]) -> Iterator[Component]:
    """Yield the packages of a lock file of npm that are not only for development."""
    for place, package in sorted(lock["packages"].items()):
        if not place or package.get("dev") or package.get("devOptional"):
            continue
        name, version = place.rpartition(_NODE_MODULES)[2], package["version"]
        purl = f"pkg:npm/{quote(name, safe='/')}@{quote(version)}"
        component = _component(name, version, purl, "required", package.get("license"))
        if integrity := package.get("integrity"):
            kind, _, digest = integrity.partition("-")
            content = base64.b64decode(digest).hex()
            component["hashes"] = [{"alg": kind.upper().replace("SHA", "SHA-"), "content": content}]
        yield component


def _component(name: str, version: str, purl: str, scope: str, licence: str | None) -> Component:
    made: Component = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "scope": scope,
    }
    if licence:
        made["licenses"] = [{"license": {"name": licence}}]
    made["properties"] = []
    return made


def describe_release(root: Path, wheel: Path | None) -> dict[str, Any]:
    """Return the bill of what is in a checkout; with a wheel, also its digest."""
    pins = root / "requirements"
    needed = names_of((pins / "run.txt").read_text())
    lock = json.loads((root / "ui" / "package-lock.json").read_text())
    components = [
        *python_components((pins / "fleet.txt").read_text(), needed),
        *{component["purl"]: component for component in console_components(lock)}.values(),
    ]
    purl = f"pkg:pypi/llm-gantry@{__version__}"
    product = {**_component("llm-gantry", __version__, purl, "required", "Apache-2.0"), "type": "application"}
    del product["scope"]
    if wheel is not None:
        product["hashes"] = [{"alg": "SHA-256", "content": hashlib.sha256(wheel.read_bytes()).hexdigest()}]
    for component in (product, *components):
        if not component["properties"]:
            del component["properties"]
    serial = uuid.uuid5(_NAMESPACE, json.dumps([product, components], sort_keys=True))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": serial.urn,
        "version": 1,
        "metadata": {"component": product},
        "components": components,
    }


def run(arguments: list[str]) -> int:
    wheel = Path(arguments[0]) if arguments else None
    json.dump(describe_release(ROOT, wheel), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
