"""The summary in Markdown: the verdict first, nothing taken for markup, never too long."""

import re

import pytest
from export_graphs import HOSTILE, answered, build
from hypothesis import given
from hypothesis import strategies as st

import wtb
from wtb.comparison import Comparison
from wtb.export._escape import NAME_CHARACTERS_MAX, code, shown
from wtb.export._source import StoredBatch
from wtb.export.markdown import markdown


@pytest.fixture(scope="module")
def text(bench, batch, tmp_path_factory):
    (path,) = bench.export(batch, tmp_path_factory.mktemp("markdown") / "summary.md")
    return path.read_text("utf-8")


def rows(text, head):
    """The cells of the table whose head begins so."""
    at = text.index(f"| {head}")
    lines = text[at:].partition("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_verdict_comes_first(text):
    title, sentence, counts = text.split("\n\n")[:3]
    assert title == "### all &#124; of &#60;it&#62;"
    assert sentence == "**no best: no variant can be told apart from another at 95 %**"
    assert counts.startswith(
        "30 executions: 24 succeeded (2 of them after a failed attempt), 2 failed, 2 timed out, "
        "2 interrupted."
    )


def test_the_comparison_is_a_table(batch, text):
    head, _, *lines = rows(text, "variant | mean")
    assert head[0] == "variant"
    assert [line[0] for line in lines] == [
        f"<code>{name}</code>" for name in ("baseline", "worse", "counts")
    ]
    for cells, line in zip(lines, batch.comparison.variants, strict=True):
        assert len(cells) == len(head) == 9
        assert float(cells[1]) == pytest.approx(line["mean"], abs=1e-3)
        assert cells[2].startswith(f"[{line['ci_low']:.4f}, ")
        assert cells[7] == f"{line['coverage'] * 100:.0f} %"
        assert cells[8] == str(line["errors"])
    against = batch.comparison["worse"]["vs_baseline"]
    assert float(lines[1][3]) == pytest.approx(against["difference"], abs=1e-3)
    assert float(lines[1][5]) == pytest.approx(against["p_adjusted"], abs=1e-3)
    assert lines[1][6] == f"{against['wins']} / {against['ties']} / {against['losses']}"


def test_regressions_failures_and_warnings_are_listed(batch, text):
    assert "<summary>2 results are worse than the baseline's</summary>" in text
    assert rows(text, "variant | case | baseline")[2:] == [
        ["<code>worse</code>", f"<code>{kind}&#124;&#60;case&#62;</code>", "1.0000", "0.0000"]
        for kind in ("fine", "flaky")
    ]
    assert "<summary>4 executions failed</summary>" in text
    failures = rows(text, "variant | case | execution")[2:]
    assert len(failures) == 4
    assert "KeyError: " in failures[0][3]
    assert failures[0][1] == "<code>fails&#124;&#60;case&#62;[0]</code>".replace(
        "[", "&#91;"
    ).replace("]", "&#93;")
    for warning in batch.comparison.warnings:
        assert f"- {shown(warning)}" in text


def test_texts_of_users_are_no_markup(text):
    assert HOSTILE[:5] in text
    assert "<b>" not in text
    tags = set(re.findall(r"</?(\w+)", text))
    assert tags == {"code", "details", "summary"}


def test_the_sentence_is_that_of_the_command(bench, batch, tmp_path):
    (path,) = bench.export(batch, tmp_path / "a.md", metric="coin")
    printed = " ".join(str(bench.compare(batch, metric="coin")).split())
    sentence = path.read_text("utf-8").split("\n\n")[1]
    plain = re.sub("</?code>", "", sentence.strip("*"))
    assert plain.startswith(("best: ", "no best: "))
    assert plain in printed


def test_looks_are_told_of(batch):
    def text(looks):
        data = {**batch.comparison.to_dict(), "looks": looks}
        return markdown(StoredBatch(batch._engine, batch.id), Comparison(data, ""))

    assert "intervals and findings hold over all 3 looks" in text(3)
    assert "looks" not in text(1)


def test_smaller_can_be_better(bench, batch, tmp_path):
    (path,) = bench.export(batch, tmp_path / "a.md", metric="seen", baseline="worse")
    text = path.read_text("utf-8")
    assert "<code>seen</code>: mean over cases, lower is better" in text
    bench.export(batch, path, baseline="worse")
    assert "differences are to <code>worse</code>, case by case" in path.read_text("utf-8")


def test_the_largest_summary_is_far_below_a_megabyte(tmp_path):
    long = "|<&中" * 60
    variants = [
        wtb.Variant(f"{number}{long}", config={"tags": [str(number)]}) for number in range(110)
    ]
    cases = [
        wtb.Case({"kind": kind, "text": n}, id=f"{kind}{n}{long}")
        for n, kind in enumerate(["fine", "fails"])
    ]

    with wtb.TestBench(tmp_path / "store") as bench:
        batch = bench.run_batch(
            build(), variants=variants, test_cases=cases, evaluators=[answered], checkpoints="off"
        )
        (path,) = bench.export(batch, tmp_path / "a.md")
    text = path.read_text("utf-8")
    assert path.stat().st_size < 500_000
    assert "and 10 more" in text
    assert "<summary>110 executions failed</summary>" in text
    assert "and 60 more" in text


@given(st.text(st.characters(exclude_categories=())))
def test_any_name_stays_in_its_cell(name):
    found = code(name)
    inner = found.removeprefix("<code>").removesuffix("</code>")
    assert not set(inner) & set("|<>`*[]\\\n\r")
    found.encode()
    assert len(re.sub(r"&#\d+;", "x", inner)) <= NAME_CHARACTERS_MAX


def test_beginnings_that_mean_something_are_escaped():
    given = ["# a", "- a", "+ a", "1. a", "12) a", "_a_", "a_b", "x:", ":x:", "= a"]
    assert [shown(text) for text in given] == [
        "&#35; a", "&#45; a", "&#43; a", "&#49;. a", "&#49;2) a", "&#95;a&#95;", "a_b", "x:",
        "&#58;x:", "&#61; a",
    ]  # fmt: skip
