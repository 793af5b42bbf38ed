"""Run one function of this package in this interpreter, and write what it returns as JSON.

python -m bits MODULE FUNCTION OUTPUT [ARGUMENT ...]
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path


def main() -> None:
    """Run the command line."""
    module, function, output, *arguments = sys.argv[1:]
    value = getattr(importlib.import_module(f"bits.{module}"), function)(*arguments)
    Path(output).write_text(json.dumps(value))


if __name__ == "__main__":
    main()
