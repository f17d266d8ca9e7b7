"""JUnit reports: what each end becomes, the rules of Jenkins' schema, and what a reader finds."""

import re
import xml.etree.ElementTree as ET

import junitparser
import junitparser.xunit2
import pytest
from export_graphs import KINDS, build
from hypothesis import given
from hypothesis import strategies as st

from wtb.export._xml import element, valid

# The rules of Jenkins' schema of JUnit reports, version 10: for each element its attributes (those
# that it must have first), the elements in it, and whether it holds text. One rule is wider: test
# cases have properties, which Jenkins' JUnit plugin and pytest know and the schema does not.
_RERUN = (("type",), ("message",), ("stackTrace", "system-out", "system-err"), True)
_RERUNS = ("rerunFailure", "rerunError", "flakyFailure", "flakyError")
_RESULT = ((), ("type", "message"), (), True)
_TEXT = ((), (), (), True)
RULES = {
    "testsuites": ((), ("name", "time", "tests", "failures", "errors"), ("testsuite",), False),
    "testsuite": (
        ("name", "tests", "failures", "errors"),
        ("group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log",
         "url", "version"),
        ("testsuite", "properties", "testcase", "system-out", "system-err"),
        False,
    ),
    "testcase": (
        ("name",),
        ("time", "classname", "group"),
        ("properties", "skipped", "error", "failure", *_RERUNS, "system-out", "system-err"),
        False,
    ),
    "properties": ((), (), ("property",), False),
    "property": (("name", "value"), (), (), False),
    **dict.fromkeys(("skipped", "error", "failure"), _RESULT),
    **dict.fromkeys(_RERUNS, _RERUN),
    **dict.fromkeys(("stackTrace", "system-out", "system-err"), _TEXT),
}  # fmt: skip
_TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")


def check(node):
    required, optional, children, has_text = RULES[node.tag]
    assert set(required) <= set(node.attrib) <= {*required, *optional}, node.tag
    assert {child.tag for child in node} <= set(children), node.tag
    assert has_text or not (node.text or "").strip(), node.tag
    if node.tag in ("testsuites", "testsuite"):
        assert _TIME.fullmatch(node.get("time", ""))
    for child in node:
        assert not (child.tail or "").strip()
        check(child)


@pytest.fixture(scope="module")
def report(bench, batch, tmp_path_factory):
    (path,) = bench.export(batch, tmp_path_factory.mktemp("junit") / "report.xml")
    return path


@pytest.fixture(scope="module")
def cases(report):
    """The test cases by suite and name."""
    root = ET.parse(report).getroot()
    return {
        (suite.get("name"), case.get("name")): case
        for suite in root
        for case in suite.iter("testcase")
    }


def test_the_report_keeps_the_rules(report):
    root = ET.parse(report).getroot()
    check(root)
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("30", "4", "0")
    assert [suite.get("name") for suite in root] == ["baseline", "worse", "counts"]
    for suite in root:
        found = list(suite.iter("testcase"))
        assert suite.get("tests") == str(len(found)) == "10"
        for kind, tag in (("failures", "failure"), ("skipped", "skipped")):
            assert suite.get(kind) == str(sum(case.find(tag) is not None for case in found))


def test_cases_are_named_by_case_repeat_workflow_and_variant(cases):
    names = {name for suite, name in cases if suite == "worse"}
    assert names == {f"{kind}|<case>[{repeat}]" for kind in KINDS for repeat in range(2)}
    assert cases["worse", "fine|<case>[0]"].get("classname") == "graph.worse"


def test_repeats_are_in_the_name_only_where_there_are_any(bench, tmp_path):
    once = bench.run_batch(build(), variants=[{}], test_cases=[{"kind": "fine"}])
    (path,) = bench.export(once, tmp_path / "once.xml")
    (case,) = ET.parse(path).getroot().iter("testcase")
    assert case.get("name") == once.results[0].case_id


def test_each_end_becomes_what_ci_calls_it(cases):
    def tags(kind):
        return [
            child.tag
            for child in cases["baseline", f"{kind}|<case>[1]"]
            if child.tag not in ("properties", "system-out", "system-err")
        ]

    assert tags("fine") == []
    assert tags("flaky") == ["flakyFailure"]
    assert tags("fails") == ["failure", "rerunFailure"]
    assert tags("hangs") == ["failure", "rerunFailure"]
    assert tags("asks") == ["skipped"]
    flaky = cases["baseline", "flaky|<case>[1]"].find("flakyFailure")
    assert flaky.get("type") == "ValueError"
    assert "not at first: =1+1" in flaky.get("message")
    assert "in act" in flaky.findtext("stackTrace")
    failure = cases["baseline", "fails|<case>[1]"].find("failure")
    assert failure.get("type") == "KeyError"
    assert "raise KeyError" in failure.text
    assert cases["baseline", "hangs|<case>[1]"].find("failure").get("type") == "TimeoutError"
    asked = cases["baseline", "asks|<case>[1]"].find("skipped")
    assert asked.get("message") == "interrupted by a question: 'which one?'"


def test_scores_are_properties_and_repeats_that_disagree_are_marked(cases):
    case = cases["worse", "fine|<case>[1]"]
    found = {one.get("name"): one.get("value") for one in case.iter("property")}
    assert found["score:answered"] == "0.0"
    assert found["score:coin"] == "0.0"
    assert found["status"] == "succeeded"
    assert found["score_error:broken"].startswith("ValueError: no idea")
    assert found["repeats_disagree"] == "coin"


def test_what_has_not_run_is_skipped(bench, tmp_path):
    stopped = bench.run_batch(
        build(), variants=[{}], test_cases=[{"kind": "fails"}] * 1 + [{"kind": "fine"}],
        fail_fast=True, max_workers=1, runner="inline", repeats=4,
    )  # fmt: skip
    (path,) = bench.export(stopped, tmp_path / "stopped.xml")
    skipped = [one.get("message") for one in ET.parse(path).getroot().iter("skipped")]
    cancelled = [one for one in stopped.results if one.status == "cancelled"]
    assert skipped == ["cancelled"] * len(cancelled) != []


@pytest.mark.skipif("not __import__('sys').platform.startswith('linux')")
def test_only_failures_bring_what_they_printed(bench, tmp_path):
    printed = bench.run_batch(
        "junit_graphs:build", variants=[{}], test_cases=[{"x": 0}, {"x": 1}], runner="process",
        timeout=60,
    )  # fmt: skip
    assert [one.status for one in printed.results] == ["succeeded", "failed"]
    (path,) = bench.export(printed, tmp_path / "printed.xml")
    good, bad = ET.parse(path).getroot().iter("testcase")
    assert good.find("system-out") is None
    assert bad.findtext("system-out") == "said\n"
    assert bad.findtext("system-err") == "cried\n"


def test_a_reader_of_reports_finds_the_same(report, batch):
    found = junitparser.xunit2.JUnitXml.fromfile(str(report))
    assert found.tests == len(batch.results)
    assert found.failures == sum(one.status in ("failed", "timed_out") for one in batch.results)
    read = {(suite.name, case.name): case for suite in found for case in suite}
    for one in batch.results:
        case = read[one.variant, f"{one.case_id}[{one.repeat}]"]
        assert case.time == pytest.approx(one.duration_s or 0, abs=1e-6)
        assert case.is_failure == (one.status in ("failed", "timed_out"))
        assert case.is_skipped == (one.status == "interrupted")
        flaky = one.succeeded and one.attempts_made > 1
        assert bool(case.flaky_failures()) == flaky
        assert len(case.rerun_failures()) == (1 if case.is_failure else 0)


def test_a_suite_that_does_not_fit_in_memory_is_the_same(
    bench, batch, report, tmp_path, monkeypatch
):
    monkeypatch.setattr("wtb.export.junit.SUITE_BYTES_MAX", 100)
    (path,) = bench.export(batch, tmp_path / "again.xml")
    assert path.read_bytes() == report.read_bytes()


@given(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
def test_any_text_survives_as_far_as_xml_can_hold_it(attribute, text):
    found = ET.fromstring(element("failure", {"message": attribute}, text).encode())
    assert found.get("message", "") == valid(attribute)
    assert (found.text or "") == valid(text)
