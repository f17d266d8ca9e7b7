"""A store on disk, a bus over it, and a batch and an execution that events can belong to."""

import json

import pytest
from stores import SERVER, store_at

from wtb._native import EngineRef
from wtb.events import AuditTrail, EventBus

SPEC = {
    "checkpoints": "step",
    "repeats": 1,
    "seed": 0,
    "runner": "inline",
    "max_workers": 1,
    "timeout_ms": None,
    "retries": 0,
    "backoff": {"initial_ms": 1, "factor": 1.0, "max_ms": 1, "jitter": 0.0},
    "fail_fast": None,
    "error": "zero",
    "metric": None,
    "evaluators": [],
    "window": 10,
    "front": {},
}


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'wtb.db'}" if SERVER is None else store_at(tmp_path)


@pytest.fixture
def engine(url):
    engine = EngineRef(url)
    yield engine
    engine.close()


@pytest.fixture
def bus(engine):
    bus = EventBus(engine)
    yield bus
    bus.close()


@pytest.fixture
def audit(engine):
    return AuditTrail(engine)


@pytest.fixture
def submit(engine):
    """Makes batches of one execution that nobody drives; gives the ids of both."""

    def submit():
        case = ("case", None, [], ("json", b"{}"), None, None, None)
        active = engine.submit(
            None, "workflow", None, json.dumps(SPEC), [("baseline", "{}")], [case]
        )
        return active.id, active.executions()[0]

    return submit
