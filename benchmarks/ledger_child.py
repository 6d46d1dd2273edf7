"""`python -m benchmarks.ledger_child MODULE:FUNCTION JSON`: a measurement in a process of its own, Django set up.

Prints the function's result as JSON. A fresh process, so that no side inherits another one's caches and garbage.
"""

import importlib
import json
import sys

import django


def main() -> None:
    module, name = sys.argv[1].split(":")
    django.setup()
    function = getattr(importlib.import_module(module), name)
    print(json.dumps(function(**json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main()
