"""Bad input: a clear error before anything runs, and nothing written."""

import math
import sqlite3

import pytest
from bench_graphs import CASES, build, chain, negate, workflow
from stores import file_only

from wtb import Case, TestBench, Variant, Workflow
from wtb.errors import (
    ConfigurationError,
    InvalidCaseError,
    StoreError,
    StoreVersionError,
    UnknownNodeError,
    UnknownVariantError,
    UnknownWorkflowError,
    WorkflowImportError,
    WtbError,
)

FINE = {"variants": [{}], "test_cases": CASES}


@pytest.fixture
def refuses(bench):
    """Calls that have to be refused, with nothing run and nothing written."""
    ran = []

    def prepare(state):
        x = state["x"]
        ran.append(x)
        return {"x": x}

    def refuses(kind, text=None, workflow=None, call="run_batch", **arguments):
        given = chain(prepare=prepare, answer=negate) if workflow is None else workflow
        if call == "run_batch":
            arguments = {**FINE, **arguments}
        with pytest.raises(kind, match=text) as raised:
            getattr(bench, call)(given, **arguments)
        assert isinstance(raised.value, WtbError)
        assert ran == []
        assert list(bench.journal()) == []
        assert bench.batches() == bench.executions() == []
        return str(raised.value)

    return refuses


def test_an_unknown_node_names_the_near_miss_and_the_nodes(refuses):
    for call, arguments in (
        ("run_batch", {"variants": [{}, {"answr": build}]}),
        ("run", {"initial_state": {"x": 1}, "variant": {"answr": build}}),
    ):
        text = refuses(UnknownNodeError, "answr", call=call, **arguments)
        assert "Did you mean 'answer'?" in text
        assert "'prepare'" in text


def test_an_unknown_variant_names_the_near_miss(refuses):
    for variants in ([{"answer": "negatd"}], [Variant("v", nodes={"answer": "negatd"})]):
        refuses(UnknownVariantError, "Did you mean 'negated'", workflow=workflow, variants=variants)
    refuses(UnknownVariantError, "a bare graph has no named", variants=[{"answer": "negated"}])


def test_a_registration_for_a_node_that_is_not_there(refuses):
    odd = Workflow("odd", build)
    odd.register_variant("anwser", "short", build)
    refuses(UnknownNodeError, "Did you mean 'answer'", workflow=odd)


def test_an_unknown_workflow(bench):
    with pytest.raises(UnknownWorkflowError):
        bench._core.registry.get("numbers")


@pytest.mark.parametrize(
    ("variants", "text"),
    [
        ([], "list of variants is empty"),
        ({}, "variants are a list"),
        ("baseline", "variants are a list"),
        (None, "variants are a list"),
        ([{}, {}], "both called 'baseline'"),
        ([Variant("a"), Variant("a", nodes={"answer": build})], "both called 'a'"),
        ([5], "is a int"),
        ([{"answer": 5}], "cannot be called"),
        ([{"answer": "bench_graphs:CASES"}], "cannot be called"),
        ([Variant("v", config={"configurable": {"thread_id": "1"}})], "thread_id"),
        ([Variant("v", config={"recursion_limit": "a"})], "recursion_limit"),
        ([Variant("\ud800")], "cannot be stored"),
    ],
)
def test_variants(refuses, variants, text):
    refuses(ConfigurationError, text, variants=variants)


@pytest.mark.parametrize(
    ("cases", "text"),
    [
        ([], "list of test cases is empty"),
        ({"x": 1}, "a single one is written"),
        ("cases.jsonl", "load_cases"),
        (None, "are a list"),
        ([5], "is a int"),
        ([Case({"x": 1}, id="one"), Case({"x": 2}, id="one")], "one"),
        ([{"x": 1}, {"x": 1}], "twice|same|both"),
        ([{}], "lacks the key 'x'"),
        ([{"X": 1}], "Is 'X' meant to be 'x'"),
        ([Case(5)], "takes a mapping"),
        ([Case(None, id="n")], "no input"),
        ([Case({"x": object()}, id="o")], "cannot be serialised"),
        ([Case({"x": 1}, lambda: 1, id="o")], "cannot be serialised"),
        ([Case({"x": 1}, id="\ud800")], "cannot be stored"),
    ],
)
def test_cases(refuses, cases, text):
    refuses(ConfigurationError, text, test_cases=cases)


def test_every_variant_is_checked_for_what_its_first_node_reads(refuses):
    def needs_more(state):
        return {"y": state["y"]}

    text = refuses(InvalidCaseError, "lacks the key 'y'", variants=[{}, {"prepare": needs_more}])
    assert "c_" in text


def test_an_initial_state_that_lacks_a_key(refuses):
    refuses(InvalidCaseError, "lacks the key 'x'", call="run", initial_state={})
    refuses(InvalidCaseError, "no input", call="run", initial_state=None)


def test_a_graph_that_cannot_be_imported_shows_the_traceback(refuses, tmp_path, monkeypatch):
    (tmp_path / "breaks.py").write_text("def inner():\n    return 1 / 0\ninner()\n")
    monkeypatch.syspath_prepend(tmp_path)
    text = refuses(WorkflowImportError, "ZeroDivisionError", workflow="breaks:graph")
    assert f'File "{tmp_path / "breaks.py"}", line 2, in inner' in text
    refuses(WorkflowImportError, "Did you mean 'bench_graphs'", workflow="bench_graph:build")
    refuses(WorkflowImportError, "Did you mean 'build'", workflow="bench_graphs:biuld")
    refuses(WorkflowImportError, "module:attribute", workflow="bench_graphs")


@pytest.mark.parametrize("given", [5, None, [], build().nodes])
def test_what_is_no_graph(bench, given):
    for call in (lambda: bench.run(given, {"x": 1}), lambda: bench.run_batch(given, **FINE)):
        with pytest.raises(ConfigurationError):
            call()
    assert list(bench.journal()) == []


@pytest.mark.parametrize(
    "config",
    [{"configurable": {"thread_id": "1"}}, {"thread_id": "1"}, [], "c", {"callbacks": 5}],
)
def test_config(refuses, config):
    refuses(ConfigurationError, "config|thread_id|callbacks", config=config)
    refuses(
        ConfigurationError,
        "config|thread_id|callbacks",
        call="run",
        initial_state={"x": 1},
        config=config,
    )


WRONG_COUNTS = [0, -1, 1.5, "3", True, [], 2**40]
WRONG_COUNTS_OF = ["repeats", "max_workers", "window", "limit"]
WRONG_SECONDS = [0, -1, "3", True, math.nan, math.inf, []]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *((name, one) for name in WRONG_COUNTS_OF for one in WRONG_COUNTS),
        *(("retries", one) for one in WRONG_COUNTS if one != 0 or one is False),
        *((name, one) for name in ("timeout", "evaluator_timeout") for one in WRONG_SECONDS),
        *(("backoff", one) for one in WRONG_SECONDS if one != 0 or one is False),
        *(("seed", one) for one in [-1, 2**32, 1.5, "1", True, None]),
        *(("fail_fast", one) for one in [0, -1, 1.0, 0.0, 1.5, math.nan, "all", [], 2**40]),
        *(("error", one) for one in ["zeros", None, 0]),
        *(("metric", one) for one in [5, "", []]),
        *(("name", one) for one in [5, "", [], "\ud800"]),
        *(("progress", one) for one in ["bar", 5, []]),
        *(("checkpoints", one) for one in ["steps", None, True]),
        *(("runner", one) for one in ["threads", "rya", None, 5, object()]),
        *(("evaluators", one) for one in ["exact_match", [5], ["exact_mach"], None, [lambda a: 1]]),
    ],
)  # fmt: skip
def test_settings(refuses, name, wrong):
    text = refuses(ConfigurationError, **{name: wrong})
    assert name.rstrip("s").replace("evaluator_timeout", "evaluator") in text


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *(("timeout", one) for one in WRONG_SECONDS),
        *(("seed", one) for one in [-1, 2**32, 1.5, "1", True, None]),
        *(("runner", one) for one in ["threads", None, 5]),
        ("checkpoints", "steps"),
        ("variant", 5),
        ("variant", "negated"),
    ],
)
def test_settings_of_one_execution(refuses, name, wrong):
    with pytest.warns(RuntimeWarning) if name == "timeout" else pytest.MonkeyPatch.context():
        refuses(ConfigurationError, name, call="run", initial_state={"x": 1}, **{name: wrong})


@pytest.mark.parametrize("limit", WRONG_COUNTS)
def test_limits_of_listings(bench, limit):
    for listing in (bench.batches, bench.executions):
        with pytest.raises(ConfigurationError, match="limit"):
            listing(limit=limit)


def test_a_near_miss_is_named_for_runners_and_evaluators(refuses):
    refuses(ConfigurationError, r"no runner 'thraed'\. Did you mean 'thread'", runner="thraed")
    refuses(ConfigurationError, "Did you mean 'zero'", error="zeros")


@pytest.mark.parametrize("store", ["", 5, b"store", "mysql://host/base", "postgresql://host/base"])
def test_stores_that_there_are_not(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WtbError):
        TestBench(store)
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_made_or_written(tmp_path):
    (tmp_path / "file").write_text("no directory")
    for path in (tmp_path / "file" / "store", "/proc/wtb/store"):
        with pytest.raises(StoreError, match=r"wtb\.db"):
            TestBench(path)


def test_a_file_that_is_no_store(tmp_path):
    (tmp_path / "notes.db").write_text("a file of another program" * 100)
    with pytest.raises(StoreError, match=r"notes\.db"):
        TestBench(tmp_path / "notes.db")
    assert (tmp_path / "notes.db").read_text() == "a file of another program" * 100


def test_a_store_of_a_newer_version_is_left_alone(bench, tmp_path):
    file_only()
    bench.run(build(), {"x": 1})
    bench.close()
    path = tmp_path / "store" / "wtb.db"
    with sqlite3.connect(path) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version + 1}")
    with pytest.raises(StoreVersionError, match="newer"):
        TestBench(tmp_path / "store")
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (version + 1,)
