"""The command on histories: checkpoints, rollback, fork, resume of executions, diff."""

import re

from command_histories import found, lines, steps
from console import Console


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


def test_rollback_stands_where_it_is_told(asking: Console, dogs: str) -> None:
    done = asking("rollback", dogs[:8], "--before", "answer")
    assert lines(done)[2:] == ["  status    paused", "  stands    at step 2, after look_up",
                               "  next      answer"]  # fmt: skip
    assert f"hint: `wtb resume {dogs[:8]}` goes on from there" in done.stderr
    page = asking("show", dogs)
    assert "which keeps its own result of this cell" in page.stdout
    assert f"lineage   {dogs}/2 (1 before it)" in page.stdout
    (one,) = asking("list", "executions", "--filter", "status=paused", "--json").json()
    assert one["id"] == dogs
    kept = asking("list", "executions", "--filter", f"batch={one['batch']}", "--json").json()
    assert {one["id"]: one["status"] for one in kept}[dogs] == "succeeded", "its batch keeps it"
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
