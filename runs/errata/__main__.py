"""Write docs/errata.md from a results directory: python -m runs.errata RESULTS [DOCS]."""

from __future__ import annotations

import sys
from pathlib import Path

from runs.errata.page import write_page
from toymodels.errors import EnvironmentProblem, UsageError


def main(arguments: list[str]) -> int:
    """Exit status as of the command line: 0 done, 2 usage, 3 environment."""
    if not 1 <= len(arguments) <= 2:
        print("Give the results directory and, if it is not docs, the directory of the page.", file=sys.stderr)
        return 2
    try:
        print(write_page(Path(arguments[0]), Path(arguments[1] if len(arguments) == 2 else "docs")))
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    except EnvironmentProblem as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
