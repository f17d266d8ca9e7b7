"""What every contender's program does: one JSON line asks, it measures, one JSON line answers."""

import gc
import json
import os
import sys
from collections.abc import Callable
from typing import Any

Measure = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes a request; returns at least `seconds` and `executions`."""


def serve(measure: Measure) -> None:
    """Answer requests from stdin until it is closed.

    What the measured package prints goes to stderr, so that it cannot be taken for an answer.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        gc.collect()
        answer = measure(json.loads(line))
        print(json.dumps(answer), file=answers, flush=True)
