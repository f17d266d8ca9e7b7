"""A template: a fresh interpreter that imports libraries and forks an attempt when asked.

Structure: template -> fork -> keeper, which only waits -> fork -> attempt. One JSON line on stdin
asks for one fork; template, keeper and attempt each report by JSON lines on the template's stdout.
The standard library and the library under trial are all that is imported.

Arguments: the library, the state (`imported`, `made`, `bare`, `used`, or `reference`), and the
addresses of the servers as JSON.
"""

import faulthandler
import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from fork_works import LIBRARIES, Site, names_of

PROBE_S = 5.0
"""How long a probe may take before it counts as stalled."""

Reply = dict[str, Any]


def main() -> None:
    """Import, tell what can be seen, then fork until stdin is closed."""
    name, state, addresses = sys.argv[1:]
    reports = os.dup(sys.stdout.fileno())
    # What libraries print must not be taken for a report.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    site = Site(**json.loads(addresses))
    prepare(name, state, site)
    if state == "reference":
        report(reports, {"results": {name: list(LIBRARIES[name].work(site, "reference"))}})
        return
    before = look()
    probed = probe()
    report(reports, {"before": before, "probe": probed, "after": look()})
    for line in sys.stdin:
        reap()
        request = json.loads(line)
        begun = time.perf_counter()
        keeper = os.fork()
        if not keeper:
            keep(name, site, request, reports)
        milliseconds = (time.perf_counter() - begun) * 1000
        number = request["number"]
        report(reports, {"number": number, "keeper": keeper, "fork_ms": milliseconds})


def prepare(name: str, state: str, site: Site) -> None:
    """Import the libraries; make objects or use them if the state says so."""
    libraries = LIBRARIES.values() if name == "all" else [LIBRARIES[name]]
    for library in libraries:
        for module in library.modules:
            importlib.import_module(module)
        if state in ("made", "bare", "used") and library.make is not None:
            library.make(site)
        if state == "used":
            library.work(site, "template")


def keep(name: str, site: Site, request: Reply, reports: int) -> None:
    """Be the keeper: fork the attempt, wait for it, tell how it ended, and end."""
    # A session of its own, so that keeper and attempt can be killed together.
    os.setsid()
    begun = time.perf_counter()
    attempt = os.fork()
    if not attempt:
        os._exit(be_attempt(name, site, request, reports))
    number = request["number"]
    report(reports, {"number": number, "attempt": attempt})
    _, status = os.waitpid(attempt, 0)
    seconds = time.perf_counter() - begun
    code = os.waitstatus_to_exitcode(status)
    report(reports, {"number": number, "ended": code, "seconds": seconds})
    os._exit(0)


def be_attempt(name: str, site: Site, request: Reply, reports: int) -> int:
    """Do the works; return the exit status."""
    faulthandler.register(signal.SIGUSR1)
    number = request["number"]
    if request["what"] == "nothing":
        report(reports, {"number": number, "private_kb": private_kilobytes()})
        return 0
    try:
        results = {
            used: list(LIBRARIES[used].work(site, f"attempt-{number}"))
            for used in names_of(name, number)
        }
    except BaseException as error:
        traceback.print_exc()
        text = f"{type(error).__name__}: {error}"[:300]
        report(reports, {"number": number, "error": text})
        return 1
    threads = len(thread_names())
    report(reports, {"number": number, "results": results, "threads": threads})
    return 0


def look() -> Reply:
    """Return what a template can see of itself without knowing the libraries."""
    return {
        "threads": sorted(thread_names()),
        "python_threads": threading.active_count(),
        "files": open_files(),
        "rss_kb": kilobytes("/proc/self/status", "VmRSS:"),
    }


def probe() -> Reply:
    """Fork a child that allocates, imports, and runs a thread; return how that went."""
    begun = time.perf_counter()
    child = os.fork()
    if not child:
        os._exit(be_probe())
    while time.perf_counter() - begun < PROBE_S:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            milliseconds = (time.perf_counter() - begun) * 1000
            code = os.waitstatus_to_exitcode(status)
            return {"stalled": False, "code": code, "ms": milliseconds}
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return {"stalled": True}


def be_probe() -> int:
    """Return 0 when nothing is out of order."""
    if threading.active_count() != 1 or len(thread_names()) != 1:
        return 1
    blocks = [bytearray(size) for size in (100, 10_000, 5_000_000)]
    importlib.import_module("colorsys")
    done: list[int] = []
    thread = threading.Thread(target=done.append, args=(len(blocks),))
    thread.start()
    thread.join()
    return 0 if done == [3] else 1


def thread_names() -> list[str]:
    """Return the names of this process's operating system threads."""
    names = []
    for task in Path("/proc/self/task").iterdir():
        try:
            names.append((task / "comm").read_text().strip())
        except OSError:
            # It has ended.
            continue
    return names


def open_files() -> dict[str, int]:
    """Count what is open beside the three standard streams, by kind."""
    kinds: dict[str, int] = {}
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            # The directory that is just being read.
            continue
        if int(descriptor) > 2:
            kind = target if target.startswith("anon_inode:") else target.partition(":")[0]
            kinds[kind] = kinds.get(kind, 0) + 1
    return kinds


def private_kilobytes() -> int:
    """Return how much memory this process does not share with its template."""
    return kilobytes("/proc/self/smaps_rollup", "Private_Dirty:")


def kilobytes(path: str, name: str) -> int:
    """Return a value of a file in `/proc`."""
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise LookupError(f"no {name} in {path}")


def reap() -> None:
    """Take note of keepers that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        # None is left.
        return


def report(reports: int, reply: Reply) -> None:
    """Write one line, short enough not to be mixed with another process's."""
    os.write(reports, json.dumps(reply).encode() + b"\n")


if __name__ == "__main__":
    main()
