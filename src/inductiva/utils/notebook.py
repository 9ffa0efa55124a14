"""Where the script runs."""

from __future__ import annotations

import sys
from typing import Any


def is_notebook() -> bool:
    """Whether the code runs in an IPython shell."""
    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
