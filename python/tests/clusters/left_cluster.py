"""A program: it has left its cluster, and calls Ray as the driver of a batch would.

It prints what has become of it, as JSON.
"""

import json
import sys

import ray

from wtb.ray.cluster import no_other_cluster


def refused(call):
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return None


def main(address):
    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    made = ray.put(1)
    with no_other_cluster(), no_other_cluster():
        assert ray.get(made) == 1
        ray.shutdown()
        calls = (lambda: ray.wait([made], timeout=0), lambda: ray.get(made), lambda: ray.put(2))
        told = {"refused": [refused(call) for call in calls], "joined": ray.is_initialized()}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
