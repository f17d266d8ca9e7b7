"""How workflows get to the processes that run them, and what cannot get there."""

import importlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import warnings

import process_graphs
import pytest
from process_graphs import chain
from process_remains import PATHS
from stores import store_at

import wtb
from wtb import Case, ProcessBatchTestRunner, TestBench
from wtb.errors import ConfigurationError

SCRIPT = """
import sys
from pathlib import Path
from typing import TypedDict
from langgraph.graph import StateGraph
import wtb

with Path(sys.argv[2]).open("a") as file:
    file.write("executed\\n")

CONSTANT = 100
wtb.log_metric("outside", 1.0)

class State(TypedDict, total=False):
    x: int
    y: int

def helper(x):
    return x + CONSTANT

def node(state):
    wtb.log_metric("logged", state["x"])
    return {"y": helper(state["x"])}

def evaluator(output):
    return output["y"]

def make(offset):
    graph = StateGraph(State)
    graph.add_node("node", node)
    graph.add_node("more", lambda state: {"y": state["y"] + offset})
    graph.set_entry_point("node")
    graph.add_edge("node", "more")
    return graph

class Other:
    def __call__(self, state):
        return {"y": -helper(state["x"])}

with wtb.TestBench(sys.argv[1]) as bench:
    batch = bench.run_batch(
        make(1000), variants=[{}, {"node": Other()}], test_cases=[{"x": 1}, {"x": 2}],
        evaluators=[evaluator], runner="process", max_workers=2,
    )
    print([one.output["y"] for one in batch.results], [dict(one.scores) for one in batch.results])
"""


def test_a_script_is_not_run_again(mark, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    count = tmp_path / "count"
    done = subprocess.run(
        [sys.executable, str(script), store_at(tmp_path / "store"), str(count)],
        env={**os.environ, "PYTHONPATH": PATHS},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr == ""
    outputs, scores = done.stdout.strip().split("] [")
    assert json.loads(outputs + "]") == [1101, 1102, 899, 898]
    assert "'evaluator': 1101.0" in scores
    assert count.read_text() == "executed\n"


def open_file():
    return open(__file__)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (threading.Lock, "lock"),
        (lambda: sqlite3.connect(":memory:"), "sqlite3.Connection"),
        (lambda: (number for number in ()), "generator"),
    ],
)
def test_what_cannot_travel_is_said_before_anything_runs(bench, mark, make, said):
    ran = []
    kept = make()

    def node(state):
        ran.append(kept)
        return {"y": str(kept)}

    with pytest.raises(ConfigurationError, match="cannot be sent to a process") as caught:
        bench.run_batch(chain(node=node), variants=[{}], test_cases=[{"how": 1}], runner="process")
    assert said in str(caught.value)
    with pytest.raises(ConfigurationError, match="case 'bad' cannot be sent"):
        bench.run_batch(
            process_graphs.crashing(),
            variants=[{}],
            test_cases=[Case({"how": kept}, id="bad")],
            runner="process",
        )
    assert (ran, list(bench.batches())) == ([], [])


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Makes modules that can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    names = []

    def module(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        names.append(name)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield module
    for name in names:
        sys.modules.pop(name, None)


STARTS_A_THREAD = """
import os, threading
from process_graphs import chain

answers = []
def serve():
    answers.append(os.getpid())
    stop.wait()

stop = threading.Event()
thread = threading.Thread(target=serve, daemon=True)
thread.start()

def node(state):
    return {"y": [thread.is_alive(), bool(answers), id(graph) == made]}

graph = chain(node=node)
made = id(graph)
"""


OPENS = """
import os
from process_graphs import chain

{opened}
def node(state):
    return {{"y": os.getpid() == imported_by}}

imported_by = os.getpid()
graph = chain(node=node)
"""

OPENED = {
    "a socket": "import socket; opened = socket.socket().detach()",
    "a pipe": "opened = os.pipe()",
    "a database": "import sqlite3; opened = sqlite3.connect('opened.db')",
    "shared memory": "import multiprocessing; opened = multiprocessing.Lock()",
    "a child": "import subprocess; opened = subprocess.Popen(['true'])",
    "nothing": "",
}


@pytest.mark.parametrize("opened", OPENED)
def test_a_module_of_the_users_may_open_files(bench, mark, module, tmp_path, monkeypatch, opened):
    monkeypatch.chdir(tmp_path)
    made = module(f"opens_{opened.split()[-1]}", OPENS.format(opened=OPENED[opened]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = bench.run(made.graph, {"how": 1}, runner="process")
    # Whoever has opened nothing is imported once for all attempts.
    assert one.raise_for_status().output["y"] == (opened != "nothing")


ODD = """
import os, signal, sys, time
from process_graphs import chain

odd = os.environ.get("WTB_TEST_ODD")
if odd == "ends":
    os._exit(3)
if odd == "stays":
    time.sleep(1000)
if odd == "ticks":
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
if odd == "ignores":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if odd == "blocks":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN + 3])
OUT, GIVEN = sys.stdout, list(sys.argv)
print("while it is imported", file=OUT)

def node(state):
    print("in the node", file=OUT)
    if odd == "interrupts":
        os.kill(os.getppid(), signal.SIGINT)
    folder = "/proc/self/fd"
    names = [f"{folder}/{number}" for number in os.listdir(folder)]
    files = [os.readlink(name).split(":")[0] for name in names if os.path.lexists(name)]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    return {"y": [GIVEN, files, len(blocked)]}

graph = chain(node=node)
"""


def run_odd(bench, module, odd, isolation="fresh", **options):
    """Run three attempts of a module that is odd in processes, and in this one is not."""
    made = module("odd", ODD)
    # Without it, streams are buffered, as they are for most people.
    environment = {"WTB_TEST_ODD": odd, "PYTHONUNBUFFERED": ""}
    runner = ProcessBatchTestRunner(2, isolation=isolation, grace=0.5, environment=environment)
    cases = [{"how": number} for number in range(3)]
    batch = bench.run_batch(made.graph, variants=[{}], test_cases=cases, runner=runner, **options)
    return [bench.execution(one.id) for one in batch.results]


def test_a_module_that_ends_its_process_costs_the_attempts_one_by_one(bench, mark, module):
    for one in run_odd(bench, module, "ends"):
        assert one.error.type == "wtb.errors.WorkerCrashedError"
        assert "exit status 3" in one.error.message


def test_a_module_that_is_never_imported_costs_the_attempts_their_timeout(bench, mark, module):
    found = run_odd(bench, module, "stays", timeout=2)
    assert {one.status for one in found} == {"timed_out"}


@pytest.mark.parametrize("isolation", ["fresh", "warm"])
@pytest.mark.parametrize("odd", ["ticks", "ignores", "interrupts", "blocks", "nothing"])
def test_what_a_module_does_to_its_process(bench, mark, module, odd, isolation):
    for one in run_odd(bench, module, odd, isolation):
        given, files, blocked = one.raise_for_status().output["y"]
        assert one.attempts_made == 1
        assert given == sys.argv
        assert blocked == (odd == "blocks")
        # Its streams and the connection; nothing of the template's or the program's.
        assert files.count("socket") == 1
        # The listing's own file among them.
        allowed = ("socket", "pipe", "/dev/null", "/proc/")
        assert [name for name in files if not name.startswith(allowed)] == []
        # What it prints while it is imported belongs to no attempt, unless each imports it.
        assert one.stdout.splitlines()[-1] == "in the node"
        if isolation == "fresh":
            assert one.stdout == "in the node\n"


def test_a_module_of_the_users_may_start_threads(bench, mark, module):
    made = module("starts_a_thread", STARTS_A_THREAD)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = bench.run(made.graph, {"how": 1}, runner="process")
    # The graph is the module's own attribute, and no copy of it.
    assert one.raise_for_status().output["y"] == [True, True, True]
    made.stop.set()


def test_a_library_that_starts_threads_is_not_forked(bench, mark, module):
    module("starts_a_thread", STARTS_A_THREAD).stop.set()
    runner = ProcessBatchTestRunner(2, preload=["starts_a_thread"])
    with pytest.warns(RuntimeWarning, match="threads were started while modules were imported"):
        batch = bench.run_batch(
            process_graphs.looking(),
            variants=[{}],
            test_cases=[{"how": number} for number in range(6)],
            runner=runner,
        )
    looks = [one.output["y"] for one in batch.raise_for_status().results]
    assert sum(not look["seen"] for look in looks) <= 2, "workers are used again"


ENDS_A_THREAD = """
import threading, time
thread = threading.Thread(target=time.sleep, args=[0.1])
"""


def test_a_library_whose_threads_end_is_forked(bench, mark, module):
    # It is imported last: its thread is there when the template looks for threads.
    module("ends_a_thread", f"{ENDS_A_THREAD}thread.start()\n").thread.join()
    runner = ProcessBatchTestRunner(2, preload=["ends_a_thread"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batch = bench.run_batch(
            process_graphs.looking(),
            variants=[{}],
            test_cases=[{"how": number} for number in range(4)],
            runner=runner,
        )
    looks = [one.output["y"] for one in batch.raise_for_status().results]
    assert not any(look["seen"] for look in looks), "each has a process of its own"


GONE = """
from process_graphs import chain
def node(state):
    return {"y": 1}
graph = chain(node=node)
"""


@pytest.mark.parametrize("isolation", ["fresh", "warm"])
def test_a_module_that_a_worker_cannot_import(bench, mark, module, tmp_path, isolation):
    made = module("soon_gone", GONE)
    (tmp_path / "soon_gone.py").unlink()
    batch = bench.run_batch(
        made.graph,
        variants=[{}],
        test_cases=[{"how": 1}, {"how": 2}],
        runner="process",
        isolation=isolation,
    )
    for one in batch.results:
        assert one.status == "failed"
        assert "soon_gone" in one.error.message
        assert one.error.type != "wtb.errors.WorkerCrashedError"


def test_what_a_runner_cannot_be_made_with(tmp_path):
    for arguments, said in [
        ({"isolation": "cold"}, "isolation is 'fresh' or 'warm'"),
        ({"grace": 100}, "grace is from 0 to 20"),
        ({"nice": -1}, "nice is from 0 to 19"),
        ({"memory": "much"}, "memory is a number of bytes"),
        ({"max_workers": 0}, "max_workers"),
        ({"directory": str(tmp_path / "nowhere")}, "there is no directory .*nowhere"),
        ({"preload": ["no_such_module"]}, "there is no module 'no_such_module' to preload"),
        ({"environment": {"A": 1}}, "environment"),
        ({"environment": {"A=B": "1"}}, "environment"),
        ({"environment": {"A": "\0"}}, "environment"),
    ]:
        with pytest.raises(ConfigurationError, match=said):
            ProcessBatchTestRunner(**arguments)


def test_a_runner_without_a_bench(tmp_path, mark):
    with ProcessBatchTestRunner(2, store=store_at(tmp_path / "store")) as runner:
        test = wtb.BatchTest(
            name="alone",
            workflow=process_graphs.crashing(),
            variant_combinations=[wtb.VariantCombination("as it is")],
            test_cases=[{"how": "fine"}],
        )
        assert runner.run_batch_test(test).status == "completed"
    with TestBench(store_at(tmp_path / "store")) as bench:
        (one,) = bench.batch("latest").results
        assert one.output["y"] == ["fine", 1]


def test_what_another_module_registers_travels_with_the_workflow(bench, mark, module):
    own = "import wtb\nfrom process_graphs import chain\n"
    module("travels", own + "workflow = wtb.Workflow('t', chain(act=lambda _: {'y': 'own'}))\n")
    named = "import travels\n@travels.workflow.variant('act', 'named')\n"
    workflow = module("registers", named + "def named(_): return {'y': 'named'}\n").travels.workflow
    workflow.register_variant("act", "local", lambda _: {"y": "local"})
    batch = bench.run_batch(
        workflow,
        variants=[{}, {"act": "named"}, {"act": "local"}],
        test_cases=[{"how": 1}],
        runner="process",
    )
    found = [one.raise_for_status().output["y"] for one in batch.results]
    assert found == ["own", "named", "local"]


def test_a_graph_that_was_changed_after_its_module_is_refused(bench, mark, module):
    text = "from process_graphs import chain\ngraph = chain(act=lambda _: {'y': 'own'})\n"
    graph = module("changed", text).graph
    graph.add_node("late", lambda _: {"y": "late"})
    graph.add_edge("act", "late")
    batch = bench.run_batch(graph, variants=[{}], test_cases=[{"how": 1}], runner="process")
    (found,) = batch.results
    assert found.status == "failed"
    assert "has the nodes act, late in the program, and act where" in found.error.message
