"""The script that setuptools runs in a copy of the package: `extension.py NAME…` compiles these files in place."""

import sys

from mypyc.build import mypycify
from setuptools import setup

from compiled.build import GROUP, OPTIMIZATION


def main() -> None:
    modules = mypycify(
        ["--config-file=mypy.ini", *sys.argv[1:]], opt_level=OPTIMIZATION, debug_level="0", group_name=GROUP
    )
    setup(name=GROUP, packages=[], ext_modules=modules, script_args=["--quiet", "build_ext", "--inplace"])


if __name__ == "__main__":
    main()
