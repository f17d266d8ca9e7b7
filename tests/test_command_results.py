"""The command on results: scores given anew, what is never settled, names on a terminal."""

import json
import subprocess
import sys

import pytest

BENCH = """
workflow = "app:workflow"
evaluators = ["app:solved"]
cases = [{ input = { x = 1 } }, { input = { x = 2 } }, { input = { x = 3 } }]

[[variants]]
name = "baseline"

[[variants]]
name = "other"
config = { flag = true }
"""

APP = """
from typing import TypedDict

from langgraph.graph import END, START, StateGraph

import wtb


class State(TypedDict):
    x: int
    y: int


def answer(state):
    return {"y": state["x"] + 1}


workflow = StateGraph(State).add_node("answer", answer)
workflow.add_edge(START, "answer").add_edge("answer", END)


@wtb.evaluator
def solved(output):
    return output["y"] > LIMIT


LIMIT = 2
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    (tmp_path / "bench.toml").write_text(BENCH, encoding="utf-8")
    return tmp_path


@pytest.fixture
def call(project):
    """Call the command in the project; returns exit code, stdout and stderr."""

    def call(*arguments):
        program = "import sys; from wtb._command import main; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    return call


def means(call):
    code, out, err = call("compare", "--json")
    assert code == 0, err
    document = json.loads(out)
    return {one["name"]: one["mean"] for one in document["variants"]}, document["warnings"]


def test_score_scores_by_the_evaluators_as_they_are_now(call, project):
    assert call("run")[0] == 0
    assert means(call)[0] == {"baseline": pytest.approx(2 / 3), "other": pytest.approx(2 / 3)}
    (project / "app.py").write_text(APP.replace("LIMIT = 2", "LIMIT = 3"), encoding="utf-8")
    code, out, err = call("score")
    assert code == 0
    assert "Scoring 6 executions" in err
    assert "changed since" not in err
    assert "0.3333" in out
    found, warnings = means(call)
    assert found == {"baseline": pytest.approx(1 / 3), "other": pytest.approx(1 / 3)}
    assert not any("versions" in one for one in warnings)


def test_score_scores_by_those_of_a_bench_file(call, project):
    assert call("run")[0] == 0
    other = BENCH.replace('"app:solved"', '{ use = "regex_match", pattern = "2", field = "y" }')
    (project / "other.toml").write_text(other, encoding="utf-8")
    code, out, _ = call("score", "latest", "--bench", "other.toml", "--metric", "regex_match")
    assert (code, "regex_match" in out) == (0, True)
    code, out, _ = call("score", "--bench", "other.toml", "--metric", "regex_match", "--json")
    assert (code, json.loads(out)["variants"][0]["mean"]) == (0, pytest.approx(1 / 3))
    assert json.loads(call("compare", "--json")[1])["metric"] == "solved"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("score", "b_nothing"), "b_nothing"),
        (("score", "--bench", "none.toml"), "none.toml"),
        (("score", "--bench", "empty.toml"), "names no evaluators"),
        (("score", "--metric", "slved"), "did you mean `solved`"),
    ],
)
def test_what_cannot_be_scored_is_said(call, project, arguments, text):
    empty = "\n".join(line for line in BENCH.splitlines() if "evaluators" not in line)
    (project / "empty.toml").write_text(empty, encoding="utf-8")
    assert call("run")[0] == 0
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert text in err


def test_a_batch_without_evaluators_has_none_to_score_by(call, project):
    text = "\n".join(line for line in BENCH.splitlines() if "evaluators" not in line)
    (project / "bench.toml").write_text(text, encoding="utf-8")
    assert call("run")[0] == 0
    code, _, err = call("score")
    assert code == 2
    assert "name at least one evaluator" in err


def test_what_is_partly_scored_anew_is_said_and_not_judged(call, project):
    assert call("run")[0] == 0
    (project / "app.py").write_text(APP.replace("LIMIT = 2", "LIMIT = 3"), encoding="utf-8")
    program = (
        "import wtb; bench = wtb.TestBench('.wtb'); "
        "bench.score(bench.batch('latest').results[0], ['app:solved'])"
    )
    subprocess.run([sys.executable, "-c", program], cwd=project, check=True, timeout=120)
    warnings = means(call)[1]
    text = "`solved` was scored by 2 versions of evaluator `solved`"
    assert any(text in one for one in warnings)
    code, out, _ = call("gate", "--baseline", "baseline", "--max-regression", "0.9", "--json")
    verdict = json.loads(out)
    assert (code, verdict["outcome"]) == (102, "inconclusive")
    assert text in verdict["reason"]


def test_one_variant_alone_is_never_settled(call):
    code, _, err = call("run", "--until-settled", "4", "--limit", "2", "--variant", "other")
    assert code == 2
    assert "there is nothing to settle" in err
    assert "there is no store" in call("list")[2]


def test_names_do_nothing_to_a_terminal(call, project):
    name = "a\x1b[2Jb\u202ec\rd"
    program = f"""
import app, wtb
bench = wtb.TestBench('.wtb')
variants = [wtb.Variant('baseline'), wtb.Variant({name!r})]
batch = bench.run_batch(app.workflow, variants=variants, test_cases=[{{'x': 1}}, {{'x': 'no'}}],
    evaluators=[app.solved], name='two\\nlines')
"""
    subprocess.run([sys.executable, "-c", program], cwd=project, check=True, timeout=120)
    for arguments in (
        ("list",),
        ("show", "latest"),
        ("compare",),
        ("gate", "--baseline", "baseline"),
        ("gate", "--baseline", "baseline", "--markdown"),
        ("--color", "always", "compare"),
    ):
        _, out, err = call(*arguments)
        if arguments[0] in ("show", "compare"):
            assert "a␛[2Jb\ufffdc␍d" in out
        assert not any(one in out + err for one in ("\x1b[2J", "\u202e", "\r"))
    assert "two␤lines" in call("list")[1]
    listed = json.loads(call("compare", "--json")[1])
    assert listed["variants"][1]["name"] == name
