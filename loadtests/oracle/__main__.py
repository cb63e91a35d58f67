"""Run one proof, at any size, on any build, and fail when a row does not hold.

python -m loadtests.oracle kills --size 300
python -m loadtests.oracle power --size 30 --build synchronous_normal
"""

from __future__ import annotations

import argparse
import sys

from loadtests.oracle.plan import PRODUCT, PROOFS
from loadtests.oracle.table import broken, table
from loadtests.prove import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("proof", choices=PROOFS)
    parser.add_argument("--size", type=int, help="default: that of `make prove`")
    parser.add_argument("--build", default=PRODUCT, help="a broken one instead of the product: a module of sabotage/")
    asked = parser.parse_args()
    rows = run(asked.proof, asked.size or PROOFS[asked.proof].usual, asked.build)
    print(table(rows))
    if broken(rows):
        sys.exit("\n".join(["", *broken(rows)]))


if __name__ == "__main__":
    main()
