"""Run a fuzz target: `python -m tests.fuzz envelope --inputs 1000000 --seed 7`. Runs made are kept in seeds.txt."""

import argparse
import sys

from tests.fuzz.run import TARGETS, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    sys.stdout.write(run(options.target, options.inputs, options.seed) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
