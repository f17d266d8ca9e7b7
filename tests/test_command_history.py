"""The command on histories: checkpoints, rollback, fork, resume of executions, diff."""

import json
import re
from typing import Any

import pytest
from console import Console, Done


def found(project: Console, **wanted: str) -> str:
    """Return the id of the newest execution that is as wanted."""
    listed = project("list", "executions", "--json").json()
    return next(one["id"] for one in listed if wanted.items() <= one.items())


def steps(project: Console, execution: str, *options: str) -> list[dict[str, Any]]:
    document = project("checkpoints", execution, *options, "--json").json()
    return list(document["checkpoints"])


def lines(done: Done) -> list[str]:
    return [line.rstrip() for line in done.stdout.splitlines()]


@pytest.fixture
def cats(asking: Console) -> str:
    """The execution that asks a question."""
    return found(asking, case="cats")


@pytest.fixture
def dogs(asking: Console) -> str:
    """The execution that has succeeded."""
    return found(asking, case="dogs")


def test_a_batch_that_waits_says_where(asking: Console, cats: str) -> None:
    done = asking("run", "--case", "cats", code=130)
    assert re.search(r"hint: `wtb show e_\w+` shows the first that waits", done.stderr)
    page = asking("show", cats)
    assert "next      review" in page.stdout
    assert '{"will it do?":' in page.stdout
    assert f"hint: `wtb resume {cats[:8]} --answer ANSWER`" in page.stderr
    assert "hint: `wtb checkpoints " in page.stderr
    (question,) = asking("show", cats, "--json").json()["interrupts"]
    assert question["value"].keys() == {"will it do?"}


def test_checkpoints_are_a_line_each(asking: Console, cats: str) -> None:
    done = asking("checkpoints", cats[:8], COLUMNS="80")
    assert max(map(len, lines(done))) <= 80
    table = [re.split(r" {2,}", line.strip()) for line in lines(done)[3:-2]]
    rows = [[*row[:-1]] for row in table]
    assert rows == [
        ["step", "after", "changed"],
        ["-1", "input", "-"],
        ["0", "start", "topic"],
        ["· planner: input", "-"],
        ["· planner: start", "topic"],
        ["· planner/think", "plan"],
        ["1", "planner", "plan"],
        ["2", "look_up", "found"],
        ["* 3", "answer", "answer"],
    ]
    assert lines(done)[-2] == "* where it stands: interrupted, next: review"
    assert "asks" in lines(done)[-1]
    assert "NOISE" not in done.stdout


def test_checkpoints_as_json_have_everything(asking: Console, cats: str) -> None:
    plain = steps(asking, cats)
    assert [one["at"] for one in plain] == ["-1", "0", None, None, None, "1", "2", "3"]
    head, inner = plain[-1], plain[4]
    assert (head["is_head"], head["next"], head["nodes"]) == (True, ["review"], ["answer"])
    assert head["parent"] == plain[-2]["id"]
    assert head["thread"] == f"{cats}/1"
    assert head["created_at"] > plain[0]["created_at"]
    assert (inner["path"], inner["root"]) == ("planner", plain[1]["id"])
    assert "values" not in head
    with_values = steps(asking, cats, "--values")
    assert with_values[-2]["values"] == {"found": ["cats are animals", "the end"]}
    shown = asking("checkpoints", cats, "--values", COLUMNS="80")
    assert '      found = ["cats are animals","the end"]' in lines(shown)
    assert head["id"] in asking("checkpoints", cats, "--verbose").stdout


def test_an_answer_is_json_or_a_text(asking: Console, cats: str) -> None:
    assert "null is no answer" in asking("resume", cats, "--answer", "null", code=2).stderr
    done = asking("resume", cats, "--answer", "it will = do")
    assert '"verdict": "it will = do"' in done.stdout
    assert "the execution succeeded" in done.stderr
    assert "which keeps its own result of this cell" in done.stdout
    refused = asking("resume", cats, "--answer", "again", code=2).stderr
    assert "asks nothing" in refused
    asking("rollback", cats, "--before", "review")
    asking("resume", cats, code=130)
    document = asking("resume", cats, "--answer", '{"ok": [1]}', "--json").json()
    assert document["output"]["verdict"] == {"ok": [1]}
    assert (document["verdict"], document["exit_code"]) == ("passed", 0)


def test_several_questions_are_answered_by_id(asking: Console) -> None:
    bench = asking.directory / "pair.toml"
    bench.write_text('workflow = "asking:pair"\ncases = [{ input = { left = "" } }]\n')
    asking("run", "pair.toml", code=130)
    both = found(asking, status="interrupted", workflow="asking:pair")
    asked = asking("show", both, "--json").json()["interrupts"]
    ids = {one["value"]: one["id"] for one in asked}
    assert f"--answer {ids['left?'][:8]}=ANSWER" in asking("show", both).stderr
    assert ids["left?"] in asking("resume", both, "--answer", "yes", code=2).stderr
    twice = ("--answer", f"{ids['left?'][:8]}=a", "--answer")
    assert "is answered twice" in asking("resume", both, *twice, f"{ids['left?']}=b", code=2).stderr
    assert "does not say which" in asking("resume", both, *twice, "b", code=2).stderr
    half = asking("resume", both, *twice[:2], "--json", code=130).json()
    assert [one["value"] for one in half["interrupts"]] == ["right?"]
    done = asking("resume", both, "--answer", f"{ids['right?'][:6]}=2", "--json").json()
    assert done["output"] == {"left": "a", "right": 2}


def test_rollback_stands_where_it_is_told(asking: Console, dogs: str) -> None:
    done = asking("rollback", dogs[:8], "--before", "answer")
    assert lines(done)[2:] == ["  status    paused", "  stands    at step 2, after look_up",
                               "  next      answer"]  # fmt: skip
    assert f"hint: `wtb resume {dogs[:8]}` goes on from there" in done.stderr
    page = asking("show", dogs)
    assert "which keeps its own result of this cell" in page.stdout
    assert f"lineage   {dogs}/2 (1 before it)" in page.stdout
    cells = asking("list", "executions", "--filter", "status=succeeded", "--json").json()
    assert [one["id"] for one in cells] == [dogs], "the batch keeps its result"
    resumed = asking("resume", dogs, "--update", '{"found": ["more"]}', "--json").json()
    assert resumed["output"]["found"] == ["dogs are animals", "the end", "more"]
    assert resumed["id"] == dogs
    document = asking("rollback", dogs, "--at", "1/3", "--json").json()
    assert (document["checkpoint"]["step"], document["lineages"]) == (3, 3)
    tree = lines(asking("checkpoints", dogs, "--all", COLUMNS="80"))
    assert [line for line in tree if "lineage" in line] == [
        "  lineage   3 of 3", "├─ lineages 1, 3", "└─ lineage 2",
    ]  # fmt: skip
    assert len(steps(asking, dogs, "--all")) > len(steps(asking, dogs))
    shared = steps(asking, dogs, "--all")[0]
    assert (shared["at"], shared["lineages"]) == ("-1", [1, 2, 3])


def test_a_place_that_is_not_there_is_told(asking: Console, dogs: str) -> None:
    says = {
        ("--at", "9"): "no checkpoints of step 9 in its lineage 1. Its steps: -1, 0, 1 (after",
        ("--at", "4/1"): "has no lineage 4: it has 1 to 1",
        ("--at", "1f"): "fits more than one checkpoint",
        ("--at", "zz"): "has no checkpoint 'zz'",
        ("--before", "anser"): "Did you mean 'answer'",
        ("--after", "answer", "--occurrence", "3"): "no occurrence 3",
    }
    for options, text in says.items():
        for verb in ("rollback", "fork"):
            assert text in asking(verb, dogs, *options, code=2).stderr, options
    assert "already" not in asking("show", dogs).stderr
    assert steps(asking, dogs)[-1]["thread"] == f"{dogs}/1", "nothing has moved"
    whole = steps(asking, dogs)[-2]["id"]
    assert (
        asking("rollback", dogs, "--at", whole[:-1], "--json").json()["checkpoint"]["id"] == whole
    )


def test_a_fork_has_another_variant_and_leaves_its_source(asking: Console, dogs: str) -> None:
    options = ("--variant", "answer=short", "--config", 'mark="!"')
    made = asking("fork", dogs, "--before", "answer", *options)
    fork = lines(made)[0].removeprefix("execution ")
    assert fork != dogs
    assert f"  from      {dogs}" in lines(made)
    assert f"hint: `wtb resume {fork[:8]}` goes on from there" in made.stderr
    done = asking("resume", fork, "--json").json()
    assert done["output"]["answer"] == "First of all:\ndogs are animals!"
    assert [node["node"] for node in done["nodes"]] == ["answer", "review"]
    assert (done["parent"], done["batch"]) == (dogs, None)
    page = asking("show", fork).stdout
    assert f"from      {dogs}, of which it is a fork" in page
    assert '{"topic":"dogs"}' in page, "the input is that of the case"
    ran = asking("fork", dogs, "--at", "2", "--variant", "answer=asking:loud_answer", "--resume")
    assert "DOGS ARE ANIMALS" in ran.stdout
    assert "NOISE" not in ran.stdout
    assert "not exist" not in ran.stderr
    loud = re.search(r"the fork is (e_\w+)", ran.stderr)
    assert loud is not None
    again = asking("fork", loud[1], "--before", "answer", "--resume", "--json")
    assert again.json()["output"]["answer"] == "DOGS ARE ANIMALS", "found again in a later process"
    assert asking("show", dogs, "--json").json()["output"]["answer"].endswith("the end")


def test_a_fork_is_checked_before_it_is_made(asking: Console, dogs: str) -> None:
    before = asking("list", "executions", "--json").json()
    says = {
        ("--variant", "anser=short"): "Did you mean 'answer'",
        ("--variant", "answer=shrt"): "Did you mean 'short'",
        ("--update", '{"fund": 1}'): "'fund'",
        ("--update", '{"found": ["x"]}', "--as-node", "lok_up"): "Did you mean 'look_up'",
    }
    for options, text in says.items():
        refused = asking("fork", dogs, "--at", "2", *options, code=2).stderr
        assert text in refused
        assert "a bug of wtb" not in refused
    assert asking("list", "executions", "--json").json() == before


def test_a_resumed_execution_that_fails_gives_100(asking: Console, dogs: str) -> None:
    update = '{"topic": "dragons"}'
    options = ("--before", "answer", "--update", update, "--resume")
    done = asking("fork", dogs, *options, code=100)
    assert "there are none" in done.stdout
    assert "the execution failed" in done.stderr
    fork = found(asking, status="failed")
    assert f"hint: `wtb resume {fork[:8]}` goes on from where it stands" in done.stderr
    mended = asking("resume", fork, "--update", '{"topic": "dogs"}', "--json").json()
    assert mended["status"] == "succeeded"
    assert "nothing to go on with" in asking("resume", fork, code=2).stderr


def test_diff_names_the_first_node_that_did_something_else(
    asking: Console, cats: str, dogs: str
) -> None:
    asking("fork", dogs, "--at", "2", "--variant", "answer=short", "--resume")
    fork = found(asking, case="dogs", variant="answer=short")
    document = asking("diff", dogs, fork, "--json").json()
    assert document["shared_until"] == 2
    first = document["first_divergent"]
    assert (first["node"], first["step"], first["differs"]) == ("answer", 3, "output")
    assert list(document["state"]) == ["answer"]
    page = asking("diff", dogs[:8], fork[:8], COLUMNS="80")
    assert max(map(len, lines(page))) <= 80
    assert "they have the steps up to 2 in common" in lines(page)
    assert 'first difference: the output of node "answer", step 3' in lines(page)
    assert "    -the end" in lines(page)
    other = asking("diff", cats, dogs, "--json").json()
    assert other["first_divergent"]["node"] == "planner"
    assert other["first_divergent"]["values"] == {"topic": {"a": "cats", "b": "dogs"}}
    assert other["a"]["status"] == "interrupted"
    assert "verdict" in other["state"]
    assert "a" not in other["state"]["verdict"]
    assert "are both" in asking("diff", dogs, dogs, code=2).stderr


def test_checkpoints_of_a_bench_file(asking: Console) -> None:
    bench = asking.directory / "bench.toml"
    text = bench.read_text(encoding="utf-8")
    bench.write_text(f'breakpoints = ["answer"]\n{text}', encoding="utf-8")
    document = asking("run", "--case", "dogs", "--json", code=130).json()
    assert (document["verdict"], document["batch"]["counts"]["paused"]) == ("waiting", 1)
    paused = found(asking, status="paused")
    assert "next      answer" in asking("show", paused).stdout
    assert asking("resume", paused, "--json").json()["status"] == "succeeded"
    asking("run", "--checkpoints", "off", code=2)
    bench.write_text(f'checkpoints = "off"\n{text}', encoding="utf-8")
    document = asking("run", "--case", "dogs", "--json").json()
    assert document["batch"]["spec"]["checkpoints"] == "off"
    without = found(asking, case="dogs")
    for verb in (["checkpoints"], ["rollback", "--at", "1"], ["fork"]):
        assert "no checkpoints" in asking(verb[0], without, *verb[1:], code=2).stderr
    assert asking("run", "--case", "dogs", "--checkpoints", "exit", "--json").json()
    assert [one["at"] for one in steps(asking, "latest")] == ["4"]


def test_questions_are_answered_by_cases_and_functions(asking: Console) -> None:
    bench = asking.directory / "bench.toml"
    text = bench.read_text(encoding="utf-8")
    bench.write_text(f'on_interrupt = "asking:say_yes"\n{text}', encoding="utf-8")

    def verdict() -> str:
        asking("run", "--case", "cats")
        newest = asking("show", found(asking, case="cats"), "--json").json()
        return str(newest["output"]["verdict"])

    assert verdict() == "yes"
    answered = text.replace('{ topic = "cats" }', '{ topic = "cats" }\nanswers = ["well"]')
    bench.write_text(answered, encoding="utf-8")
    assert verdict() == "well"
    rows = [{"id": "cats", "input": {"topic": "cats"}, "answers": ["from a file"]}]
    (asking.directory / "cases.jsonl").write_text(json.dumps(rows[0]), encoding="utf-8")
    bench.write_text('workflow = "asking:workflow"\ncases = "cases.jsonl"\n', encoding="utf-8")
    assert verdict() == "from a file"
    (asking.directory / "cases.csv").write_text(
        'id,topic,answers\ncats,cats,"[""from a table""]"\n', encoding="utf-8"
    )
    bench.write_text('workflow = "asking:workflow"\ncases = "cases.csv"\n', encoding="utf-8")
    assert verdict() == "from a table"
    bench.write_text(f'on_interrupt = "asking:say_no"\n{text}', encoding="utf-8")
    assert "say_no" in asking("run", code=2).stderr


def test_ids_are_those_that_people_know(asking: Console, dogs: str) -> None:
    asking("rollback", dogs, "--after", "look_up")
    for line in (
        ["list", "executions"],
        ["show", dogs],
        ["events"],
        ["checkpoints", dogs, "--all"],
    ):
        for options in ([], ["--json"]):
            done = asking(*line, *options)
            assert f"{dogs}+" not in done.stdout + done.stderr, line
            assert not re.search(r"e_\w+\+", done.stdout + done.stderr), line
    kinds = [one["kind"] for one in asking("events", "--execution", dogs, "--json").json_lines()]
    assert kinds[-1] == "execution.rolled_back"
    assert "execution.started" in kinds


def test_unknown_executions_and_flags_of_the_other_kind(asking: Console, dogs: str) -> None:
    for verb in (["checkpoints"], ["rollback", "--at", "1"], ["fork"], ["resume"]):
        assert "no execution `e_zzz`" in asking(verb[0], "e_zzz", *verb[1:], code=2).stderr
    assert "no execution `e_zzz`" in asking("diff", dogs, "e_zzz", code=2).stderr
    assert "is for batches" in asking("resume", dogs, "--max-failures", "1", code=2).stderr
    batch = asking("list", "--json").json()[0]["id"]
    assert "is for executions" in asking("resume", batch, "--answer", "x", code=2).stderr
    assert "no JSON" in asking("resume", dogs, "--update", "text", code=2).stderr
