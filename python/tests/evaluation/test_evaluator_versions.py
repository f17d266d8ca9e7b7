"""Versions of evaluators: the same content has the same one everywhere, other content another."""

import functools
import json
import linecache
import os
import subprocess
import sys
import textwrap
import threading
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wtb
from wtb.evaluators import (
    Evaluator,
    contains,
    edit_distance,
    embedding_similarity,
    evaluator,
    exact_match,
    json_schema,
    judge,
    numeric_close,
    pairwise_judge,
    regex_match,
    resolve_evaluators,
    restore_evaluators,
    set_overlap,
)

SOURCE = """
import dataclasses
import enum
import functools
import re
import wtb.evaluators
from wtb.evaluators import evaluator, judge, pairwise_judge, embedding_similarity

FLOOR = 0.5
WORDS = frozenset({"yes", "no", "perhaps", "never", "always"})
calls = []

def helper(text):
    return text.strip()

@functools.cache
def cached(text):
    return text.lower()

@evaluator
def plain(output):
    return helper(output) in WORDS and len(cached(output)) > FLOOR

def longer_than(characters, names=frozenset({"a", "b", "c", "d"}), *, unit=1):
    pattern = re.compile("x+")

    @evaluator(direction="min")
    def longer(output, weight=2.5):
        calls.append(output)
        return len(output) > characters * unit and output not in names and pattern.search(output)
    return longer

class Judge:
    def __init__(self, model, client=None):
        self.model = model
        self.client = client

    def __call__(self, output):
        return len(self.model)

    def rate(self, output):
        return len(self.model) + 1

def even(output, rest=None):
    return output == 0 or odd(output - 1)

def odd(output, rest=None):
    return output != 0 and even(output - 1)

LABELS = {"good": [1, {"x", "y", "z"}], "bad": {"u", "v", "w"}}
GROUPS = [{"a": 1, "b": 2}, (3, 4)]
PATTERN = re.compile("a+")
PAIRS = {("k", 1): "one", ("l", 2): "two"}

def first(text):
    return second(text) + 1

def second(text):
    return len(text) + 10

HANDLERS = {first, second}

class Mode(enum.Enum):
    FAST = 1
    SLOW = 2

MODE = Mode.FAST

@dataclasses.dataclass(frozen=True)
class Settings:
    floor: float = 0.25
    names: list = dataclasses.field(default_factory=lambda: ["n"])

class Base:
    def clean(self, text):
        return text.strip("-")

class Normaliser(Base):
    kept = "abc"

    @staticmethod
    def rate(text):
        return limit(text)

    @property
    def size(self):
        return 3

def limit(text):
    return text[:100]

@evaluator
def tabled(output):
    found = LABELS, GROUPS, PATTERN, PAIRS, HANDLERS, MODE
    return len(found)

@evaluator
def classy(output):
    return Settings().floor + Normaliser().size

def ask(prompt):
    return "4"

ALL = [
    plain,
    tabled,
    classy,
    longer_than(3),
    evaluator(name="instance")(Judge("m", object())),
    evaluator(name="method")(Judge("m").rate),
    evaluator(name="partial")(functools.partial(lambda output, by: by, by={"k": {1, 2, "x"}})),
    evaluator(name="lambda")(lambda output: {"even", "odd"} & {output}),
    evaluator(even),
    judge(ask, rubric="r", scale={"a": 0, "b": 1}),
    judge(lambda prompt: "5", prompt=lambda output: output, name="by_lambda"),
    embedding_similarity(ask),
    *(make() for name, make in wtb.evaluators.BUILT_IN.items()
      if name not in ("judge", "embedding_similarity", "cost")),
    wtb.evaluators.cost({"m": {"input": 1, "output": 2}}),
]
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Writes the module with something replaced, and imports it anew."""
    monkeypatch.syspath_prepend(tmp_path)

    def load(old="", new="", name="my_scores"):
        assert old in SOURCE
        (tmp_path / f"{name}.py").write_text(SOURCE.replace(old, new) if old else SOURCE)
        sys.modules.pop(name, None)
        linecache.clearcache()
        return __import__(name)

    yield load
    for name in ("my_scores", "other_scores"):
        sys.modules.pop(name, None)


def versions(module):
    return {one.name: one.version for one in module.ALL}


def test_a_version_is_sixteen_hexadecimal_digits(load):
    found = versions(load())
    assert all(len(version) == 16 and int(version, 16) >= 0 for version in found.values())
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_other_processes_have_the_same_versions(load, tmp_path, seed):
    here = versions(load())
    program = (
        "import json, my_scores; my_scores.calls.append(5)\n"
        "print(json.dumps({one.name: one.version for one in my_scores.ALL}))"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert json.loads(done.stdout) == here


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("in WORDS and", "not in WORDS and", {"plain"}),
        ("return text.strip()", "return text.rstrip()", {"plain"}),
        ("return text.lower()", "return text.upper()", {"plain"}),
        ("FLOOR = 0.5", "FLOOR = 0.6", {"plain"}),
        ('"perhaps"', '"maybe"', {"plain"}),
        ("longer_than(3)", "longer_than(4)", {"longer"}),
        ("unit=1", "unit=2", {"longer"}),
        ("weight=2.5", "weight=2.6", {"longer"}),
        ('compile("x+")', 'compile("y+")', {"longer"}),
        ('"c", "d"', '"c", "e"', {"longer"}),
        ('direction="min"', 'direction="max"', {"longer"}),
        ('Judge("m", object())', 'Judge("n", object())', {"instance"}),
        ("return len(self.model)\n", "return -len(self.model)\n", {"instance", "method"}),
        ('Judge("m").rate', 'Judge("n").rate', {"method"}),
        ("(self.model) + 1", "(self.model) + 2", {"instance", "method"}),
        ('{1, 2, "x"}', '{1, 3, "x"}', {"partial"}),
        ("output, by: by,", "output, by: -by,", {"partial"}),
        ('{"even", "odd"} &', '{"even", "odd"} |', {"lambda"}),
        ("return output != 0", "return output != 1", {"even"}),
        ('return "4"', 'return "5"', {"judge", "embedding_similarity"}),
        ('rubric="r"', 'rubric="s"', {"judge"}),
        ('{"a": 0, "b": 1}', '{"a": 0, "b": 2}', {"judge"}),
        ('lambda prompt: "5"', 'lambda prompt: "6"', {"by_lambda"}),
        ("prompt=lambda output: output", "prompt=lambda output: output * 2", {"by_lambda"}),
        ('name="lambda"', 'name="renamed"', {"renamed"}),
        ('"good": [1', '"good": [2', {"tabled"}),
        ('"v", "w"', '"v", "u2"', {"tabled"}),
        ('"b": 2}, (3, 4)', '"b": 2}, (4, 3)', {"tabled"}),
        ('compile("a+")', 'compile("a*")', {"tabled"}),
        ('compile("a+")', 'compile("a+", re.I)', {"tabled"}),
        ('("k", 1): "one"', '("k", 3): "one"', {"tabled"}),
        ("len(text) + 10", "len(text) + 11", {"tabled"}),
        ("MODE = Mode.FAST", "MODE = Mode.SLOW", {"tabled"}),
        ("FAST = 1", "FAST = 3", {"tabled"}),
        ("floor: float = 0.25", "floor: float = 0.35", {"classy"}),
        ('["n"]', '["m"]', {"classy"}),
        ("frozen=True", "frozen=False", {"classy"}),
        ('strip("-")', 'strip("+")', {"classy"}),
        ('kept = "abc"', 'kept = "abd"', {"classy"}),
        ("return 3", "return 4", {"classy"}),
        ("text[:100]", "text[:200]", {"classy"}),
        # What decides no score.
        ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', set()),
        ('{"u", "v", "w"}', '{"w", "v", "u"}', set()),
        ("{first, second}", "{second, first}", set()),
        ("calls = []", "calls = [1]", set()),
        ("\nFLOOR", "\n# A comment between functions.\n\n\nFLOOR", set()),
        ('Judge("m", object())', 'Judge("m", [1])', set()),
    ],
)
def test_a_change_changes_the_versions_that_it_concerns(load, old, new, changed):
    before = versions(load())
    after = versions(load(old, new))
    assert {name for name in after if after[name] != before.get(name)} == changed


def test_the_timeout_and_the_way_it_was_found_are_no_content(load):
    module = load()
    assert evaluator(timeout=5)(module.even).version == Evaluator(module.even).version
    ways = ["my_scores:plain", module.plain, {"use": "my_scores:plain"}]
    assert len({one.version for way in ways for one in resolve_evaluators([way])}) == 1
    assert contains("a", name="x").version == contains("a").with_settings(name="x").version


def test_a_module_of_another_name_may_hold_the_same_content(load):
    before = versions(load())["plain"]
    assert versions(load(name="other_scores"))["plain"] == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (exact_match("a"), exact_match("b")),
        (contains(), contains(ignore_case=True)),
        (regex_match("a"), regex_match("b")),
        (json_schema({"type": "string"}), json_schema({"type": "object"})),
        (json_schema({}), json_schema({}, parse=False)),
        (numeric_close(rel_tol=0.1), numeric_close(rel_tol=0.2)),
        (set_overlap(), set_overlap(split="words")),
        (edit_distance(), edit_distance(normalized=False)),
        (judge(min), judge(min, scale=(1, 4))),
        (judge(min), judge(min, repeats=2)),
        (judge(min), judge(max)),
        (judge(min, prompt="{output}{form}"), judge(min, prompt="{form}{output}")),
    ],
)
def test_arguments_of_built_in_evaluators_are_content(one, other):
    assert one.version != other.version
    (again,) = restore_evaluators([json.loads(json.dumps(one.describe()))])
    assert again.version == one.version


def test_use_does_not_change_a_version():
    one = embedding_similarity(lambda texts: [[1.0, float(len(text))] for text in texts])
    before = one.version
    assert one.evaluate("a", "abc", None, None)[0].error is None
    assert one.with_settings().version == before


def test_two_functions_of_one_line_differ():
    one, other = (lambda output: 1), (lambda output: 2)
    assert Evaluator(one, name="e").version != Evaluator(other, name="e").version
    same = eval("lambda output: 1")
    assert Evaluator(same, name="e").version == Evaluator(one, name="e").version


def test_defaults_are_content_whatever_the_source_calls_them():
    def by_position(value):
        def score(output, weight=value):
            return weight

        return Evaluator(score).version

    def by_name(value):
        def score(output, *, weight=value):
            return weight

        return Evaluator(score).version

    for made in (by_position, by_name):
        assert made(1) == made(1)
        assert made(1) != made(2)


def test_globals_that_change_and_other_modules_are_not_seen(load, tmp_path):
    def version(helped):
        (tmp_path / "other_scores.py").write_text(f"def helper(x):\n    return {helped}\n")
        sys.modules.pop("other_scores", None)
        module = load(
            "def helper(text):\n    return text.strip()",
            "from other_scores import helper\ncount = 0",
        )
        return module.plain.version

    assert version("x") == version("x.strip()")
    module = sys.modules["my_scores"]

    def counting(output):
        return count  # noqa: F821

    counted = type(counting)(counting.__code__, vars(module), "counting")
    before = Evaluator(counted).version
    module.count += 1
    assert Evaluator(counted).version == before


def test_classes_without_source_go_by_their_members():
    def version(text):
        names = {"__name__": "typed_in"}
        exec(f"{text}\ndef f(output): return Own().rate(output)", names)
        return Evaluator(names["f"], name="e").version

    own = "class Own:\n    kept = {}\n    def rate(self, x): return {}"
    assert version(own.format(1, 2)) == version(own.format(1, 2))
    assert len({version(own.format(*values)) for values in ((1, 2), (1, 3), (2, 2))}) == 3


def test_a_class_of_two_branches_and_one_inside_of_a_function(load):
    inner = """
def make():
    class Inner:
        def rate(self):
            return 5
    return Inner

INNER = make()
if FLOOR > 0.1:
    class Branched:
        value = 6
else:
    class Branched:
        value = 7

def branched(output):
    return INNER().rate() + Branched.value

ALL = ["""

    def version(old="", new=""):
        return Evaluator(load("ALL = [", inner.replace(old, new)).branched).version

    first = version()
    assert version() == first
    assert version("return 5", "return 6") != first
    assert version("value = 6", "value = 8") != first


def test_an_object_that_is_called_sees_its_class_though_a_base_elsewhere_is_called(load, tmp_path):
    (tmp_path / "other_scores.py").write_text(
        "class Called:\n    def __call__(self, output):\n        return self.rate(output)\n"
    )
    own = """
from other_scores import Called

class Own(Called):
    def rate(self, output):
        return 8

ALL = ["""

    def version(old="", new=""):
        return Evaluator(load("ALL = [", own.replace(old, new)).Own(), name="e").version

    assert version() == version()
    assert version("return 8", "return 9") != version()


def test_functions_without_source_go_by_their_code():
    def made(text):
        names = {}
        exec(text, names)
        return Evaluator(names["f"]).version

    nested = "def f(output):\n    def g(): return {}\n    return g()"
    assert made(nested.format(1)) == made(nested.format(1))
    assert made(nested.format(1)) != made(nested.format(2))


def test_the_code_that_runs_counts_and_not_the_file_that_was_edited_meanwhile(load, tmp_path):
    module = load()
    before = versions(load())["plain"]
    one = load().plain
    file = tmp_path / "my_scores.py"
    file.write_text(SOURCE.replace("in WORDS and", "not in WORDS and"))
    os.utime(file, (1, 1))
    assert one.version == before
    assert module.plain.with_settings().version == before


def test_values_that_hold_themselves_and_names_without_value():
    loop = []
    loop.append(loop)
    deep = functools.reduce(lambda inner, _: [inner], range(1_000), [])

    def holding(output):
        return loop, deep, later

    first = Evaluator(holding).version
    later = 1
    assert Evaluator(holding).version != first


def test_objects_are_told_apart_by_their_type():
    def held(value):
        def score(output):
            return value

        return Evaluator(score).version

    assert held(threading.Lock()) == held(threading.Lock())
    assert held(threading.Lock()) != held(object())
    assert held(json) != held(os)
    assert held(dict) != held(list)
    assert held(pairwise_judge(min, seed=1)) != held(pairwise_judge(min, seed=2))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(plain, plain)
def test_arguments_survive_json(one, other):
    def version(value):
        return Evaluator(lambda output: 1, name="e", arguments={"a": value}).version

    again = json.loads(json.dumps(one))
    assert version(again) == version(one)
    assert (version(one) == version(other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


# Later sessions


def test_an_evaluator_whose_code_has_changed_is_named(load):
    described = [
        one.describe() for one in resolve_evaluators(["my_scores:plain"] if load() else [])
    ]
    described += [exact_match("a").describe(), resolve_evaluators(["my_scores:even"])[0].describe()]
    load("in WORDS and", "not in WORDS and")
    with pytest.warns(RuntimeWarning, match="changed since the batch was scored") as told:
        restored = restore_evaluators(described)
    assert "evaluator 'plain'." in str(told[0].message)
    assert len(told) == 1
    assert told[0].filename == __file__
    assert [one.name for one in restored] == ["plain", "exact_match", "even"]


def test_what_has_not_changed_and_what_older_programs_stored_warns_of_nothing(load):
    load()
    described = [one.describe() for one in resolve_evaluators(["my_scores:plain", "exact_match"])]
    load("weight=2.5", "weight=2.6")
    old = {key: value for key, value in exact_match("b").describe().items() if key != "version"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        restore_evaluators(described)
        restore_evaluators([old])


GRAPH = textwrap.dedent(
    """
    from typing import TypedDict
    from langgraph.graph import START, StateGraph

    class State(TypedDict, total=False):
        x: int

    graph = StateGraph(State).add_node("go", lambda state: {"x": 1}).add_edge(START, "go")
    """
)


@pytest.fixture
def graph(tmp_path):
    (tmp_path / "my_graph.py").write_text(GRAPH)
    yield "my_graph:graph"
    sys.modules.pop("my_graph", None)


def test_a_batch_that_is_extended_by_other_code_warns(load, graph, tmp_path):
    load()
    evaluators = ["my_scores:even", "exact_match"]
    with wtb.TestBench(tmp_path / "store") as bench:
        batch = bench.run_batch(
            graph, variants=[{}], test_cases=[{"x": 0}], evaluators=evaluators
        ).id
    load("return output == 0 or", "return output == 1 or")
    with wtb.TestBench(tmp_path / "store") as bench:
        with pytest.warns(RuntimeWarning, match="evaluator 'even'"):
            bench.extend(batch, test_cases=[{"x": 1}])
        # Scored anew, it is of one version again.
        bench.score(batch, ["my_scores:even"])
    with wtb.TestBench(tmp_path / "store") as bench, warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        bench.extend(batch, test_cases=[{"x": 2}])


def test_a_batch_that_is_resumed_with_an_evaluator_of_other_code_warns(load, graph, tmp_path):
    load()
    with wtb.TestBench(tmp_path / "store") as bench:
        batch = bench.start_batch(
            graph,
            variants=[{}],
            test_cases=[{"x": x} for x in range(200)],
            evaluators=["my_scores:even"],
            max_workers=1,
        )
        batch.stop()
    changed = load("return output == 0 or", "return output == 1 or")
    with wtb.TestBench(tmp_path / "store") as bench:
        with pytest.warns(RuntimeWarning, match="evaluator 'even'"):
            again = bench.resume_batch(batch.id, evaluators=[changed.even])
        assert again.status == "completed"
