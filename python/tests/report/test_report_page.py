"""The report in a real browser: what it shows, how it is used, and what it must not do."""

import pytest
from report_graphs import CASES, FILES, HOSTILE, VARIANTS, cases, correct, graph

WORSE = 1
"""The number of the variant that is worse than the baseline."""

REGRESSED = {f"case-{number}" for number in (1, 3, 5, 7, 9, 11)}


def shown_cases(page):
    return page.texts("#cells tbody th.case .id")


def cell(case, variant):
    """Return a selector of the cell of a case and a variant; rows are in the order of cases."""
    return f'#cells td[data-row="{case}"][data-column="{variant}"]'


def by_order(page):
    page.run("""() => { const sort = document.querySelectorAll('.controls select')[0];
        sort.value = 'order'; sort.dispatchEvent(new Event('change')); }""")


def opened(page):
    return page.run("() => document.getElementById('panel').open")


def focused(page, what="outerHTML"):
    return page.run("(what) => document.activeElement[what]", what)


def open_cell(page, case, variant):
    by_order(page)
    page.click(cell(case, variant))
    page.until(lambda: page.count("#panel-content"))


def test_head(page, batch):
    assert page.text("h1") == "A batch to look at"
    assert "at 95 %" in page.text("#verdict")
    assert "70 succeeded, 2 failed" in page.text("#head")
    assert page.run("() => document.title") == "A batch to look at"
    assert page.run("() => document.documentElement.lang") == "en"
    assert "errors count as 0" in page.text("#notes")


def test_the_matrix_has_a_row_for_each_variant(page):
    names = page.texts("#matrix .named > span:last-child")
    assert [one.partition("\n")[0].removesuffix(" (best)") for one in names] == [
        one.name for one in VARIANTS
    ]
    heads = page.texts("#matrix thead th")
    for title in (
        "correct",
        "95% CI",
        "difference",
        "p (Holm)",
        "won/tied/lost",
        "pass^2",
        "flips",
        "errors",
    ):
        assert title in heads
    assert page.count("#matrix tbody svg") == len(VARIANTS)
    assert page.count("#matrix thead th:not([scope=col])") == 0
    row = page.texts("#matrix tbody tr:nth-child(2) td")
    assert "0/6/6" in row


def test_the_matrix_is_sorted_by_keyboard(page):
    page.run("() => document.querySelectorAll('#matrix thead button')[1].focus()")
    page.press("Enter")
    means = [float(one) for one in page.texts("#matrix tbody td:nth-child(2)")]
    assert means == sorted(means, reverse=True)
    assert (
        page.run("() => document.querySelectorAll('#matrix thead th')[1].ariaSort") == "descending"
    )
    page.press("Enter")
    assert [float(one) for one in page.texts("#matrix tbody td:nth-child(2)")] == means[::-1]
    assert page.count("#matrix [aria-sort=ascending]") == 1


def test_another_metric(page):
    before = page.text("#matrix thead")
    page.run("""() => { const choice = document.querySelector('#main select');
        choice.value = '1'; choice.dispatchEvent(new Event('change')); }""")
    assert page.text("#matrix thead") != before
    assert "lower is better" in page.text("#main")
    assert page.text(cell(0, 0)) != "1"


def test_plots(page):
    assert page.count("#plot-intervals svg .mean") == len(VARIANTS)
    assert page.count("#plot-pareto svg[role=img][aria-label]") == 1


# The heat map


def test_regressions_come_first(page):
    assert page.count("#cells tbody th.case") == CASES
    assert set(shown_cases(page)[:6]) == REGRESSED


def test_cells_say_what_they_are_without_colour(page):
    by_order(page)
    assert page.text(cell(0, WORSE)).startswith("1")
    wrong, failed, flaky = (
        page.run("(s) => document.querySelector(s).textContent", cell(case, WORSE))
        for case in (1, 5, 3)
    )
    assert wrong.startswith("0")
    assert "worse than the baseline" in wrong
    assert "failed" in failed
    assert page.count(f"{cell(5, WORSE)}.failed") == 1
    assert flaky.startswith("0.50")
    assert "the 2 repeats disagree" in flaky
    assert page.count(f"{cell(3, WORSE)} .dot") == 1


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("all", {f"case-{number}" for number in range(CASES)}),
        ("different", REGRESSED),
        ("failures", {"case-5"}),
        ("regressions", REGRESSED),
        ("improvements", set()),
        ("flaky", {"case-3"}),
    ],
)
def test_filters(page, mode, expected):
    page.click(f"[data-mode={mode}]")
    assert set(shown_cases(page)) == expected
    assert page.text("#shown").startswith(f"{len(expected)} of {CASES} cases")
    assert page.run("(s) => document.querySelector(s).ariaPressed", f"[data-mode={mode}]") == "true"
    if not expected:
        page.click("#cells .none button")
        assert len(shown_cases(page)) == CASES


def test_chips_are_filters(page):
    chip = f'.chip.regressions[data-variant="{WORSE}"]'
    assert page.text(chip).endswith("6")
    page.click(chip)
    assert set(shown_cases(page)) == REGRESSED
    page.click(chip)
    assert len(shown_cases(page)) == CASES
    page.click(f'.chip.failures[data-variant="{WORSE}"]')
    assert shown_cases(page) == ["case-5"]


@pytest.mark.parametrize(
    ("text", "count"), [("hostile", 1), ("group-11", 1), ("PLAIN case-7", 1), ("nothing", 0)]
)
def test_search(page, text, count):
    page.click("#search")
    page.type(text)
    page.until(lambda: page.text("#shown").startswith(f"{count} of"))


def test_the_order_of_cases(page):
    by_order(page)
    assert shown_cases(page) == [f"case-{number}" for number in range(CASES)]


# The panel


def test_a_cell_opens_and_escape_closes(page, batch):
    open_cell(page, 1, WORSE)
    execution = next(
        one
        for one in batch.results
        if one.variant == VARIANTS[WORSE].name and one.case_id == "case-1"
    )
    assert page.run("() => location.hash") == f"#{execution.id}"
    assert page.text("#panel-title") == f"{VARIANTS[WORSE].name} \u00b7 case-1"
    page.press("Escape")
    page.until(lambda: page.run("() => location.hash") == "")
    assert not opened(page)
    assert page.run("(s) => document.activeElement.matches(s)", cell(1, WORSE))


def test_the_panel_explains_the_difference(page):
    open_cell(page, 1, WORSE)
    said = page.text("#parting")
    assert said == "First difference from the baseline: the output of node answer (answer, notes)."
    assert page.count(".side") == 2
    assert page.texts(".side:first-child .node-name") == ["plan", "answer"]
    assert page.count(".side:first-child .node.parting[open]") == 1
    assert "differs" in page.text(".side:first-child .held")
    assert "as expected" in page.text(".side:last-child")


def test_failures_have_error_and_traceback(page):
    open_cell(page, 5, WORSE)
    text = page.text(".side:first-child .error")
    assert "node answer: ValueError: no answer </script><img" in text
    page.click(".side:first-child .error summary")
    page.until(lambda: "report_graphs.py" in page.text(".side:first-child .error pre"))
    assert page.text("#parting").endswith("node answer failed, there it succeeded.")


def test_repeats_are_tabs(page, batch):
    open_cell(page, 3, WORSE)
    assert page.texts("[role=tab]") == ["repeat 1: 1", "repeat 2: 0"]
    before = page.run("() => location.hash")
    page.run("() => document.querySelector('[role=tab]').focus()")
    page.press("ArrowRight")
    page.until(lambda: page.run("() => location.hash") != before)
    page.until(
        lambda: page.run("() => document.activeElement.getAttribute('aria-selected')") == "true"
    )
    page.until(lambda: "-3" in page.text(".side:first-child .held"))


def test_long_values_are_cut_and_say_so(page):
    open_cell(page, 0, 2)
    text = page.text(".side:first-child .held")
    assert "20,000 of 100,0" in text
    assert "All of it: wtb show e_" in text


def test_a_link_opens_an_execution(browser, report, batch):
    execution = batch.results[-1]
    page = browser.page()
    page.open(report, f"#{execution.id}")
    page.until(lambda: page.count("#panel-content"))
    assert page.text("#panel-title") == f"{execution.variant} \u00b7 {execution.case_id}"
    assert (
        page.run("() => document.querySelector('[aria-selected=true]').innerText") == "repeat 2: 1"
    )
    page.close()


def test_by_keyboard_alone(page):
    for _ in range(60):
        page.press("Tab")
        if page.run("() => document.activeElement.matches('#cells td')"):
            break
    assert page.run("() => document.activeElement.matches('#cells td')")
    outline = "() => getComputedStyle(document.activeElement).outlineStyle"
    assert page.run(outline) == "solid"
    page.press("End", "ArrowDown", "ArrowDown", "ArrowLeft")
    assert page.run('() => document.activeElement.matches(\'[data-row="2"][data-column="1"]\')')
    page.press("Enter")
    page.until(lambda: page.count("#panel-content"))
    first = page.text("#panel-title")
    # The focus stays within the dialog.
    for _ in range(12):
        page.press("Tab")
        assert page.run("() => !!document.activeElement.closest('dialog, body:not(:has(:focus))')")
    page.run("() => document.getElementById('panel-close').focus()")
    page.press("j")
    page.until(lambda: page.text("#panel-title") != first)
    page.press("k")
    page.until(lambda: page.text("#panel-title") == first)
    page.press("Escape")
    page.until(lambda: page.run("() => location.hash") == "")
    assert page.run('() => document.activeElement.matches(\'[data-row="2"][data-column="1"]\')')
    page.press("PageDown", "Home")
    assert page.run("() => document.activeElement.dataset.column") == "0"


# What it must not do


def test_text_of_users_is_text(page):
    open_cell(page, 1, WORSE)
    assert f"not 1: {HOSTILE}" in page.text(".side:first-child .scores")
    assert page.run("() => window.hacked") is None
    assert page.count("img") == 0
    assert page.count("body script:not([type])") == 1


def test_nothing_is_asked_of_a_network(page, report):
    open_cell(page, 1, WORSE)
    assert page.requests() == [report.resolve().as_uri()]
    refused = page.run("""() => fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')""")
    assert refused == "refused"
    told = page.problems()
    assert any("Content Security Policy" in one for one in told)
    page.call("Log.clear")
    page._browser.events.clear()


def test_light_and_dark(page):
    ground = "() => getComputedStyle(document.body).backgroundColor"
    page.prefer("light")
    light = page.run(ground)
    light_cell = page.run("() => document.querySelector('#cells td').style.backgroundColor")
    page.prefer("dark")
    assert page.run(ground) != light
    page.until(
        lambda: (
            page.run("() => document.querySelector('#cells td').style.backgroundColor")
            != light_cell
        )
    )
    page.click("#theme")
    assert page.text("#theme") == "Theme: light"
    assert page.run(ground) == light
    page.click("#theme")
    assert page.run(ground) != light
    page.run("() => localStorage.clear()")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read(page, scheme):
    """Contrast is at least 4.5 of every text that is shown (WCAG AA)."""
    page.prefer(scheme)
    page.until(
        lambda: page.run("(s) => matchMedia(`(prefers-color-scheme: ${s})`).matches", scheme)
    )
    open_cell(page, 5, WORSE)
    assert page.run(CONTRAST) == []


CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((one) => one / 255)
    .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const back = parse(getComputedStyle(at).backgroundColor);
      if (back.length < 4 || back[3] === 1) return back;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const one of document.querySelectorAll('body *')) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const isDrawn = one.namespaceURI.includes('svg') || !one.getClientRects().length;
    if (!own || isDrawn) continue;
    const pair = [light(parse(getComputedStyle(one).color)), light(behind(one))];
    const [a, b] = pair.sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push([one.outerHTML.slice(0, 120), ratio]);
  }
  return poor;
}"""


def test_a_phone(page):
    page.resize(390, 844, phone=True)
    assert page.run("() => document.documentElement.scrollWidth") <= 390
    page.run("(s) => document.querySelector(s).click()", '#cells td[data-column="1"]')
    page.until(lambda: page.count("#panel-content"))
    box = page.run("() => document.getElementById('panel').getBoundingClientRect().toJSON()")
    assert (box["left"], box["width"]) == (0, 390)
    assert page.run("() => document.querySelector('.panel-body').scrollWidth") <= 390


def test_printed_text_and_files(bench, browser, tmp_path):
    inputs = tmp_path / "inputs"
    inputs.mkdir()
    (inputs / "data.csv").write_text("given")
    (inputs / "kept.txt").write_text("kept")
    batch = bench.run_batch(
        graph(),
        variants=[{}, FILES],
        test_cases=cases(1),
        evaluators=[correct],
        runner="process",
        workspace=inputs,
    )
    page = browser.page()
    page.open(bench.report(batch, tmp_path / "report.html"))
    page.run("() => document.querySelectorAll('#cells td[data-column]')[1].click()")
    page.until(lambda: page.count("#panel-content"))
    rows = [one.split("\t") for one in page.texts(".side:first-child .files tbody tr")]
    assert [[row[0].strip(), row[-1].strip()] for row in rows] == [
        ["data.csv", "changed"],
        ["made.txt", "new"],
        ["kept.txt", ""],
    ]
    assert "written to made.txt" in page.text(".side:first-child .attempt-printed")
    page.run(
        "() => document.querySelectorAll('.files details')[1].querySelector('summary').click()"
    )
    assert page.texts(".side:first-child .files pre")[1] == f"made for 0 {HOSTILE}"
    assert page.problems() == []
    page.close()


def test_many_cases(bench, browser, tmp_path):
    """Only rows in sight are in the page, and the last one is reached."""
    batch = bench.run_batch(
        graph(),
        variants=VARIANTS[:2],
        test_cases=cases(600),
        evaluators=[correct],
        checkpoints="off",
    )
    page = browser.page()
    page.open(bench.report(batch, tmp_path / "report.html"))
    by_order(page)
    assert page.run("() => document.getElementById('cells').ariaRowCount") == "601"
    assert page.count("#cells tbody th.case") < 100
    page.run("() => document.querySelector('#cells td[data-row]').focus()")
    for _ in range(60):
        page.press("PageDown")
    assert page.run("() => document.activeElement.dataset.row") == "599"
    assert shown_cases(page)[-1] == "case-599"
    page.press("Enter")
    page.until(lambda: page.count("#panel-content"))
    assert page.text("#panel-title").endswith("case-599")
    assert page.problems() == []
    page.close()


def test_a_batch_without_scores(bench, browser, tmp_path):
    batch = bench.run_batch(graph(), variants=[{}], test_cases=[{"question": 1}], checkpoints="off")
    page = browser.page()
    page.open(bench.report(batch, tmp_path / "report.html"))
    assert page.text("#verdict") == "nothing has a score"
    assert len(page.texts("#matrix tbody tr")) == 1
    page.click("#cells td[data-row]")
    page.until(lambda: page.count("#panel-content"))
    assert page.texts(".node-name") == ["plan", "answer"]
    assert page.problems() == []
    page.close()


@pytest.mark.parametrize("at", ["'use strict'", "unpacked('overview')", 'id="overview"'])
def test_a_file_that_was_cut_off_before_the_end_of_its_script_says_so(
    report, browser, tmp_path, at
):
    whole = report.read_text("ascii")
    cut = tmp_path / "cut.html"
    cut.write_text(whole[: whole.index(at) + 8])
    page = browser.page()
    page.open(cut, ready="#main .note")
    page.until(
        lambda: (
            page.run("() => getComputedStyle(document.querySelector('#main .note')).visibility")
            == "visible"
        )
    )
    assert "the file is not complete" in page.text("#main")
    assert "at 95 %" in page.text("#verdict")
    page.close()


def test_without_scripts_the_page_says_so(report, browser):
    page = browser.page()
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(report, ready="#main .note")
    assert "scripts are\nswitched off" in page.run(
        "() => document.querySelector('#main').textContent"
    )
    page.close()


def test_a_page_that_is_whole_says_nothing_of_that(page):
    assert page.count(".awaited") == 0


@pytest.mark.parametrize("fragment", ["#%E0%A4%A", "#e_%", "#e_nobody"])
def test_an_address_that_is_none_opens_the_page_all_the_same(browser, report, fragment):
    page = browser.page()
    page.open(report, fragment)
    assert page.count("#matrix tbody tr") == len(VARIANTS)
    assert not opened(page)
    assert page.problems() == []
    page.close()


def test_a_file_that_was_cut_off_says_so(report, browser, tmp_path):
    whole = report.read_text("ascii")
    cut = tmp_path / "cut.html"
    cut.write_text(whole[: whole.index('id="piece-0"')])
    page = browser.page()
    page.open(cut)
    page.run("() => document.querySelector('#cells td[data-row]').click()")
    page.until(lambda: "cannot be read" in page.text("#panel"))
    page.close()
