"""Each execution works on private files, and they are stored with its checkpoints."""

import asyncio
import os
from pathlib import Path

import pytest
from workspace_graphs import listing

import wtb
from wtb.errors import ConfigurationError, NotFoundError

INPUT = {"data.csv": "input\n", "gone.txt": "gone", "sub/kept.txt": "kept"}
AFTER_FIRST = {"data.csv": "input\nfirst\n", "made/first.txt": "x", "sub/kept.txt": "kept"}
AFTER_SECOND = {
    "data.csv": "input\nfirst\nsecond\n",
    "made/second.txt": "x",
    "sub/kept.txt": "kept",
}


def texts(bench, execution, at=None):
    entries = bench.files(execution, at=at)
    return {one.path: one.read_text() for one in entries if one.kind == "file"}


def test_nodes_work_on_a_private_tree(bench, inputs, runner):
    ran = bench.run("workspace_graphs:build", {"how": "x"}, workspace=inputs, runner=runner)
    assert ran.raise_for_status().output["seen"] == AFTER_SECOND
    place, directory = map(Path, ran.output["where"])
    assert place.is_absolute()
    assert directory == (place if runner == "process" else Path.cwd())


def test_each_checkpoint_has_the_files_of_its_moment(bench, inputs, runner):
    ran = bench.run("workspace_graphs:build", {"how": "x"}, workspace=inputs, runner=runner)
    found = {one.step: one.snapshot for one in bench.checkpoints(ran)}
    assert found[-1] == found[0] != found[1] != found[2]
    states = [texts(bench, ran, at=step) for step in ("-1", "0", "1", "2", "start", None)]
    assert states == [INPUT, INPUT, AFTER_FIRST, AFTER_SECOND, INPUT, AFTER_SECOND]


def test_equal_files_have_equal_snapshots_whatever_the_runner(bench, inputs):
    snapshots = [
        [one.snapshot for one in bench.checkpoints(ran)]
        for ran in (
            bench.run("workspace_graphs:build", {"how": "x"}, workspace=inputs, runner=runner)
            for runner in ("inline", "thread", "process")
        )
    ]
    assert snapshots[0] == snapshots[1] == snapshots[2]


def test_what_changed_is_told_line_by_line(bench, inputs):
    ran = bench.run("workspace_graphs:build", {"how": "x"}, workspace=inputs)
    changes = {one.path: one for one in bench.changed_files(ran)}
    assert {path: one.kind for path, one in changes.items()} == {
        "data.csv": "changed",
        "gone.txt": "removed",
        "made": "added",
        "made/second.txt": "added",
    }
    assert changes["data.csv"].lines == ["@@ -1 +1,3 @@", " input", "+first", "+second"]
    assert str(changes["data.csv"]) == "~ data.csv (6 -> 19 bytes)"
    step = bench.changed_files(ran, since="1", until="2")
    assert [one.path for one in step] == ["data.csv", "made/first.txt", "made/second.txt"]
    assert list(bench.changed_files(ran, since="-1", until="0")) == []


def test_files_are_restored_into_a_directory(bench, inputs, tmp_path):
    ran = bench.run("workspace_graphs:build", {"how": "x"}, workspace=inputs)
    place = bench.restore(ran, tmp_path / "new" / "place", at="1")
    assert listing(place) == AFTER_FIRST
    with pytest.raises(ConfigurationError, match="is not empty"):
        bench.restore(ran, place)
    assert listing(place) == AFTER_FIRST
    bench.restore(ran, place, force=True)
    assert listing(place) == AFTER_SECOND
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="is no directory"):
        bench.restore(ran, tmp_path / "file", force=True)


def test_two_executions_differ_in_their_files(bench, inputs):
    one = bench.run("workspace_graphs:build", {"how": "x"}, workspace=inputs)
    other = bench.run("workspace_graphs:build", {"how": "y"}, workspace=inputs)
    found = bench.diff(one, other)
    assert [change.path for change in found.files] == ["made/second.txt"]
    assert "made/second.txt" in str(found)
    assert found.to_dict()["files"][0]["lines"] == ["@@ -1 +1 @@", "-x", "+y"]
    plain = bench.run("workspace_graphs:build", {"how": "y"})
    assert bench.diff(one, plain).files is None


def test_a_rolled_back_execution_goes_on_with_the_files_of_then(bench, inputs, runner):
    ran = bench.run("workspace_graphs:build", {"how": "fail"}, workspace=inputs, runner=runner)
    assert ran.status == "failed"
    after_first = {**AFTER_FIRST, "made/first.txt": "fail"}
    # What the failed node has done is stored, but its checkpoint is the one before.
    assert texts(bench, ran)["made/second.txt"] == "fail"
    assert texts(bench, ran, at="1") == after_first
    back = bench.rollback(ran, before="second")
    assert texts(bench, back) == after_first
    on = bench.resume(back, update={"how": "x"})
    assert on.output["seen"] == {**AFTER_SECOND, "made/second.txt": "fail"}
    assert texts(bench, on) == on.output["seen"]


def test_a_fork_has_the_files_of_its_place(bench, inputs, runner):
    ran = bench.run("workspace_graphs:build", {"how": "x"}, workspace=inputs, runner=runner)
    for changed in ({}, {"update": {"how": "other"}}):
        fork = bench.fork(ran, before="second", **changed)
        assert texts(bench, fork) == AFTER_FIRST
        assert bench.resume(fork).output["seen"] == AFTER_SECOND
    # Its source has what it had.
    assert texts(bench, ran) == AFTER_SECOND


def test_an_interrupted_execution_goes_on_with_the_files_of_its_checkpoint(bench, inputs):
    ran = bench.run("workspace_graphs:asking", {"how": "x"}, workspace=inputs, runner="process")
    assert ran.status == "interrupted"
    on = bench.resume(ran, answer="yes")
    assert on.output["seen"] == {**AFTER_FIRST, "asked.txt": "asked", "answered.txt": "yes"}


def test_inputs_that_changed_meanwhile_do_not_change_what_is_gone_on_with(bench, tmp_path):
    folder = tmp_path / "changing"
    folder.mkdir()
    (folder / "data.csv").write_text("input\n")
    (folder / "gone.txt").write_text("gone")
    ran = bench.run("workspace_graphs:build", {"how": "x"}, workspace=folder)
    (folder / "data.csv").write_text("another input\n")
    (folder / "new.txt").write_text("new")
    fork = bench.fork(ran, before="second")
    seen = bench.resume(fork).output["seen"]
    assert seen == {"data.csv": "input\nfirst\nsecond\n", "made/second.txt": "x"}
    # One that begins anew begins with what is there now.
    again = bench.retry(ran, errors_only=False)
    assert again.output["seen"]["data.csv"] == "another input\nfirst\nsecond\n"


def test_a_case_may_have_inputs_of_its_own(bench, inputs, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "mine.txt").write_text("mine")
    cases = [wtb.Case({}, id="batch's"), wtb.Case({}, id="own", workspace=own)]
    batch = bench.run_batch(
        "workspace_graphs:reading",
        variants=[{}],
        test_cases=cases,
        workspace=inputs,
        runner="process",
        max_workers=2,
    )
    seen = {one.case_id: one.output["seen"] for one in batch.results}
    assert seen == {"batch's": INPUT, "own": {"mine.txt": "mine"}}
    # A cell that goes on beside its batch has its case's inputs, too.
    back = bench.rollback(batch.results[1], at="0")
    assert bench.resume(back).output["seen"] == {"mine.txt": "mine"}


def test_executions_do_not_see_each_other(bench, inputs):
    cases = [wtb.Case({"how": str(number)}) for number in range(20)]
    batch = bench.run_batch(
        "workspace_graphs:build",
        variants=[{}],
        test_cases=cases,
        workspace=inputs,
        runner="process",
        max_workers=4,
    )
    for one in batch.results:
        assert one.output["seen"] == {**AFTER_SECOND, "made/second.txt": one.input["how"]}


@pytest.mark.parametrize("isolation", ["fresh", "warm"])
def test_the_working_directory_is_the_workspace(bench, inputs, isolation):
    batch = bench.run_batch(
        "workspace_graphs:working",
        variants=[{}],
        test_cases=[wtb.Case({"how": str(number)}) for number in range(6)],
        workspace=inputs,
        runner="process",
        isolation=isolation,
        max_workers=2,
    )
    assert {one.status for one in batch.results} == {"succeeded"}
    for one in batch.results:
        assert one.output["seen"] == {**INPUT, "result.txt": "INPUT\n"}


def test_what_ran_in_a_process_is_gone_on_with_in_a_process(bench, inputs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    batch = bench.run_batch(
        "workspace_graphs:working",
        variants=[{}],
        test_cases=[{}],
        workspace=inputs,
        runner=wtb.ProcessBatchTestRunner(1, environment={"WTB_TEST_SET": "set"}),
    )
    (cell,) = batch.results
    single = bench.run("workspace_graphs:working", {}, workspace=inputs, runner="process")
    expected = {**INPUT, "result.txt": "INPUT\n"}
    for ran in (cell, single):
        fork = bench.fork(ran, before="relative", update={"how": "forked"})
        back = bench.rollback(ran, at="0")
        retried = bench.fork(ran, at="0")
        ended = [
            bench.resume(fork),
            asyncio.run(bench.aresume(back)),
            bench.retry(bench.resume(retried), errors_only=False, from_checkpoint=True),
        ]
        for one in ended:
            assert one.raise_for_status().output["seen"] == expected
            assert one.output["where"] == ("set" if ran is cell else None)
    assert not (tmp_path / "result.txt").exists()


@pytest.mark.parametrize("checkpoints", ["exit", "off"])
def test_without_checkpoints_at_steps_there_are_the_files_of_the_end(bench, inputs, checkpoints):
    ran = bench.run(
        "workspace_graphs:build", {"how": "x"}, workspace=inputs, checkpoints=checkpoints
    )
    assert texts(bench, ran) == AFTER_SECOND
    assert texts(bench, ran, at="start") == INPUT


def test_an_execution_on_an_event_loop_has_files(bench, inputs):
    ran = asyncio.run(bench.arun("workspace_graphs:build", {"how": "x"}, workspace=inputs))
    assert ran.raise_for_status().output["seen"] == AFTER_SECOND
    fork = bench.fork(ran, before="second")
    assert asyncio.run(bench.aresume(fork)).output["seen"] == AFTER_SECOND


def test_an_execution_without_files_says_so(bench):
    ran = bench.run("workspace_graphs:reading", {})
    assert ran.error.type == "AssertionError"
    assert ran.workspace is None
    for at in (None, "start"):
        with pytest.raises(NotFoundError, match="has no files"):
            bench.files(ran, at=at)


def test_what_cannot_be_inputs_is_refused_before_anything_runs(bench, inputs, tmp_path):
    def refused(workspace, match):
        with pytest.raises(ConfigurationError, match=match):
            bench.run("workspace_graphs:reading", {}, workspace=workspace)

    refused(tmp_path / "nowhere", "does not exist")
    refused(inputs / "data.csv", "is no directory")
    refused(3, "is a directory of inputs, not 3")
    refused(wtb.Workspace(inputs, rung="overly"), "Did you mean 'overlay'")
    refused(wtb.Workspace(inputs, keep="failing"), "keep of a workspace is 'failing'")
    case = wtb.Case({}, workspace=tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="does not exist"):
        bench.run_batch("workspace_graphs:reading", variants=[{}], test_cases=[case])
    (inputs / ".wtbignore").write_text("[z-a\n")
    refused(inputs, "cannot use the ignore rules")
    (inputs / ".wtbignore").unlink()
    refused(tmp_path, "lie within each other")
    assert list(bench.executions()) == []


def test_cases_may_differ_by_their_files_alone(bench, inputs, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    cases = [wtb.Case({}, workspace=folder) for folder in (inputs, other)]
    batch = bench.run_batch("workspace_graphs:reading", variants=[{}], test_cases=cases)
    assert [one.output["seen"] for one in batch.results] == [INPUT, {}]
    file = tmp_path / "cases.jsonl"
    file.write_text('{"how": "x", "files": "inputs"}\n{"how": "x", "files": "other"}\n')
    loaded = wtb.load_cases(file, workspace="files")
    assert [one.workspace for one in loaded] == [str(inputs), str(other)]
    assert [one.id for one in loaded] == [
        wtb.Case({"how": "x"}, workspace=name).id for name in ("inputs", "other")
    ]


@pytest.mark.parametrize("runner", ["inline", "process"])
def test_rules_that_changed_do_not_change_what_is_gone_on_with(bench, tmp_path, runner):
    folder = tmp_path / "changing"
    folder.mkdir()
    (folder / ".wtbignore").write_text("*.big\n")
    for name in ("data.csv", "gone.txt", "a.big"):
        (folder / name).write_text("input\n")
    ran = bench.run("workspace_graphs:build", {"how": "x"}, workspace=folder, runner=runner)
    assert "`a.big` (the rule `*.big`)" in ran.warnings[0]
    (folder / ".wtbignore").unlink()
    seen = bench.resume(bench.fork(ran, before="second")).output["seen"]
    assert seen == ran.output["seen"]
    assert seen["a.big"] == "input\n"


@pytest.mark.parametrize("runner", ["inline", "process"])
def test_what_cannot_be_read_is_in_no_snapshot(bench, inputs, runner):
    ran = bench.run("workspace_graphs:locking", {}, workspace=inputs, runner=runner)
    stored = texts(bench, ran)
    if os.geteuid() == 0:
        assert stored["sub/kept.txt"] == "changed"
    else:
        assert "sub/kept.txt" not in stored
        assert any("`sub`" in warning for warning in ran.warnings)


def test_the_rung_is_recorded_and_can_be_forced(bench, inputs):
    for rung in ("copy", "overlay"):
        workspace = wtb.Workspace(inputs, rung=rung)
        ran = bench.run(
            "workspace_graphs:build", {"how": "x"}, workspace=workspace, runner="process"
        )
        assert ran.raise_for_status().workspace.rung == rung
        assert ran.output["seen"] == AFTER_SECOND
    # Threads of this program cannot mount anything.
    with pytest.raises(ConfigurationError, match="cannot mount an overlay"):
        bench.run("workspace_graphs:build", {"how": "x"}, workspace=workspace, runner="thread")
    batch = bench.run_batch(
        "workspace_graphs:reading",
        variants=[{}],
        test_cases=[{}],
        workspace=wtb.Workspace(inputs, rung="hardlink"),
        runner="process",
    )
    (ran,) = batch.results
    if os.geteuid() == 0:
        assert ran.error.type == "wtb.errors.WorkspaceError"
        assert "by hardlink" in ran.error.message


def test_what_rules_leave_out_is_said(bench, inputs):
    (inputs / ".wtbignore").write_text("made/\n")
    try:
        ran = bench.run("workspace_graphs:build", {"how": "x"}, workspace=inputs)
        # The node itself has it all the same.
        assert "made/second.txt" in ran.output["seen"]
        assert "made/second.txt" not in texts(bench, ran)
        (warning,) = ran.warnings
        assert "`made` (the rule `made/`)" in warning
    finally:
        (inputs / ".wtbignore").unlink()
