"""Other processes: on the same store, forked off, and a program that forgets to close."""

import subprocess
import sys
import threading

WAIT_S = 60

PUBLISH = """
import sys
from wtb._native import EngineRef
from wtb.events import EventBus

engine = EngineRef(sys.argv[1])
bus = EventBus(engine)
for n in range(3):
    bus.publish("custom.elsewhere", {"n": n})
engine.close()
"""

FORK = """
import os, sys, threading
from wtb._native import EngineRef
from wtb.errors import ForkedProcessError
from wtb.events import AuditTrail, EventBus

engine = EngineRef(sys.argv[1])
bus = EventBus(engine)
seen = []

def forks(event):
    with open(sys.argv[2], "a") as file:
        file.write(f"{event.data['n']}\\n")
    if event.data["n"] == 0 and (child := os.fork()):
        os.waitpid(child, 0)

with bus.subscribe(forks):
    for n in range(3):
        bus.publish("custom.count", {"n": n})

child = os.fork()
if child == 0:
    refused = 0
    for use in (
        lambda: bus.subscribe(print),
        lambda: bus.publish("custom.count"),
        lambda: AuditTrail(engine).query(),
    ):
        try:
            use()
        except ForkedProcessError:
            refused += 1
    bus.close()
    os._exit(refused)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
bus.close()
engine.close()
"""

FORGET = """
import sys
from wtb._native import EngineRef
from wtb.events import EventBus

engine = EngineRef(sys.argv[1])
bus = EventBus(engine)
subscription = bus.subscribe(lambda event: None)
bus.publish("custom.count")
print(subscription.drain())
"""


def python(code, *arguments):
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def test_events_of_another_process_come_without_being_asked_for(bus, url):
    seen, enough = [], threading.Event()

    def handler(event):
        seen.append(event.data["n"])
        if len(seen) == 3:
            enough.set()

    bus.subscribe(handler, kinds="custom.elsewhere")
    python(PUBLISH, url)

    assert enough.wait(WAIT_S)
    assert seen == [0, 1, 2]


def test_waiting_covers_events_of_another_process(bus, audit, url):
    seen = []
    subscription = bus.subscribe(seen.append)
    own = bus.publish("custom.here")
    python(PUBLISH, url)

    assert subscription.drain(WAIT_S)
    assert [event.kind for event in seen] == ["custom.here", *["custom.elsewhere"] * 3]
    assert [event.sequence for event in seen] == sorted(event.sequence for event in seen)
    assert seen[0].sequence == own
    assert len({event.session for event in seen}) == 2


def test_a_forked_child_neither_delivers_nor_publishes(url, tmp_path):
    delivered = tmp_path / "delivered"

    assert python(FORK, url, str(delivered)) == ["3"]
    assert delivered.read_text().split() == ["0", "1", "2"]


def test_a_program_that_forgets_to_close_ends_all_the_same(url):
    assert python(FORGET, url) == ["True"]
