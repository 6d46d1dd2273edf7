"""`python -m benchmarks.provenance_child MODULE:FUNCTION JSON`: one side of a measurement in a process of its own.

Nothing is imported but what the function's module imports, so that the memory is that of the side measured. Prints the
function's result as JSON.
"""

import importlib
import json
import sys


def main() -> None:
    module, name = sys.argv[1].split(":")
    function = getattr(importlib.import_module(module), name)
    print(json.dumps(function(**json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main()
