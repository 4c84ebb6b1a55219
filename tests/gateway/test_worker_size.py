"""What a worker does not load before something asks for it: each of a machine's workers has its own."""

import subprocess
import sys


def test_a_worker_starts_without_what_few_calls_need() -> None:
    heavy = {"cryptography", "difflib", "email", "importlib.metadata", "importlib.resources", "redis", "shutil"}
    code = f"import sys, gantry.gateway.__main__; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True)
