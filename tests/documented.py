"""The code blocks of a page of the documentation, run as a reader would: one after the other in one session."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[1] / "docs"


def run_page(name: str) -> dict[str, Any]:
    """The names that the blocks of docs/`name` have defined."""
    space: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / name).read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, space)
    return space
