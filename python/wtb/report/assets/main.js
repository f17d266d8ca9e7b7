// Puts the page together.

const WARNINGS_SHOWN = 5;
const THEMES = ['auto', 'light', 'dark'];

function currentTheme() {
  const asked = document.documentElement.dataset.theme;
  if (asked === 'light' || asked === 'dark') return asked;
  return matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

/** Names what is open in the address, so that the address can be passed on. */
function setHash(text) {
  const hash = text ? `#${text}` : '';
  if (location.hash === hash) return;
  try {
    history.replaceState(null, '', hash || `${location.pathname}${location.search}`);
  } catch {
    // A viewer that shows the page without an address of its own.
  }
}

function remembered(theme) {
  try {
    if (theme) localStorage.setItem('wtb-theme', theme);
    return localStorage.getItem('wtb-theme');
  } catch {
    return null;
  }
}

class Page {
  constructor(overview) {
    this.overview = overview;
    this.grid = new Grid(overview);
    this.substitutes = new Map(overview.variants);
    this.metric = 0;
    this.panel = new Panel(this.grid, new Details(overview.pieces), (caseIndex, variant) =>
      this.heatMap.rows.focus(caseIndex, variant),
    );
    this.heatMap = new HeatMap(this.grid, (caseIndex, variant) => this.open(caseIndex, variant, 0));
    this.matrixPlace = h('div');
    this.plotsPlace = h('div', { class: 'plots' });
    this.cells = overview.comparisons.map(() => null);
  }

  draw() {
    const theme = remembered();
    if (THEMES.includes(theme)) document.documentElement.dataset.theme = theme;
    this.drawHead();
    document
      .getElementById('main')
      .replaceChildren(
        h(
          'section',
          { 'aria-labelledby': 'matrix-title' },
          h(
            'div',
            { class: 'title-line' },
            h('h2', { id: 'matrix-title' }, 'Variants'),
            this.makeMetricChoice(),
          ),
          this.matrixPlace,
        ),
        h('section', { 'aria-label': 'Plots' }, this.plotsPlace),
        h(
          'section',
          { 'aria-labelledby': 'heat-map' },
          h('h2', { id: 'heat-map', tabindex: -1 }, 'Cases'),
          this.heatMap.element,
        ),
      );
    document.body.append(
      this.panel.element,
      h('p', { class: 'unseen', id: 'news', 'aria-live': 'polite' }),
    );
    this.drawFoot();
    this.showMetric(0);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.repaint());
    window.addEventListener('resize', () => plotWidth() !== this.plotted && this.drawPlots());
    window.addEventListener('hashchange', () => this.follow());
    this.follow();
    document.documentElement.dataset.ready = 'true';
    performance.mark('ready');
  }

  drawHead() {
    const { batch, title, settings } = this.overview;
    const counts = Object.entries(batch.counts)
      .filter(([, count]) => count)
      .map(([status, count]) => `${count.toLocaleString('en')} ${status}`);
    const isStopped = ['pending', 'running', 'paused'].includes(batch.status);
    const status = isStopped && !batch.driven ? 'stopped' : batch.status;
    const took = isNumber(batch.finished_at) ? seconds(batch.finished_at - batch.started_at) : null;
    this.themeButton = button('', () => this.nextTheme(), { id: 'theme' });
    this.nameTheme();
    this.verdict = h('p', { id: 'verdict' });
    this.notes = h('div', { id: 'notes' });
    const sizes = [
      plural(this.grid.variants.length, 'variant'),
      plural(this.grid.caseCount, 'case'),
    ].join(' \u00d7 ');
    const facts = [
      ['workflow', batch.workflow],
      ['status', `${status}: ${counts.join(', ')}`],
      ['size', sizes],
      ['begun', when(batch.started_at ?? batch.created_at)],
      took && ['took', took],
    ].filter(Boolean);
    document.getElementById('head').replaceChildren(
      h('div', { class: 'title-line' }, h('h1', null, title), this.themeButton),
      this.verdict,
      h(
        'dl',
        { class: 'about' },
        facts.map(([name, value]) => h('div', null, h('dt', null, name), h('dd', null, value))),
      ),
      h(
        'details',
        { class: 'settings' },
        h('summary', null, 'How it was run'),
        h(
          'dl',
          { class: 'about' },
          [['batch', batch.id], ...settings].map(([name, value]) =>
            h('div', null, h('dt', null, name), h('dd', null, value)),
          ),
        ),
      ),
      this.notes,
    );
  }

  drawFoot() {
    const { version, written_at: written, bound } = this.overview;
    document
      .getElementById('foot')
      .replaceChildren(
        h(
          'p',
          null,
          `Written ${when(written)} by wtb ${version}. This file is all there is: it loads nothing and sends nothing.`,
        ),
        h(
          'p',
          null,
          `Values are cut at ${bound.toLocaleString('en')} characters or earlier, and say so where they are. In the heat map: arrow keys move, Enter opens, in a panel j and k go to the next and the previous case, Esc closes.`,
        ),
      );
  }

  makeMetricChoice() {
    const { comparisons } = this.overview;
    if (comparisons.length < 2) return null;
    return choice(
      'metric',
      comparisons.map((one, at) => [String(at), one.metric]),
      '0',
      (at) => this.showMetric(Number(at)),
    );
  }

  showMetric(at) {
    this.metric = at;
    const comparison = this.overview.comparisons[at];
    this.cells[at] ||= new Cells(this.grid, comparison);
    this.verdict.replaceChildren(
      ...(comparison.best ? [h('span', { class: 'star' }, '\u2605 ')] : []),
      comparison.verdict,
    );
    this.drawNotes(comparison);
    this.matrixPlace.replaceChildren(
      h(
        'p',
        { class: 'muted' },
        comparison.legend,
        comparison.not_beaten &&
          `. ${comparison.not_beaten[0].toUpperCase()}${comparison.not_beaten.slice(1)}.`,
      ),
      makeMatrix(comparison, this.substitutes),
      ...(comparison.advice.length
        ? [
            h(
              'ul',
              { class: 'advice' },
              comparison.advice.map((one) => h('li', null, one)),
            ),
          ]
        : []),
      ...[makeEffects(comparison)].filter(Boolean),
    );
    this.drawPlots();
    this.heatMap.show(this.cells[at]);
    announce(comparison.verdict);
  }

  drawPlots() {
    const comparison = this.overview.comparisons[this.metric];
    this.plotted = plotWidth();
    this.plotsPlace.replaceChildren(
      ...[plotIntervals(comparison), plotPareto(comparison)].filter(Boolean),
    );
  }

  drawNotes(comparison) {
    const texts = [...comparison.warnings];
    for (const one of comparison.sensitivity) {
      if (one.best !== comparison.best)
        texts.push(
          `if errors counted otherwise (${one.error}), ${one.best ? `the best would be ${one.best}` : 'there would be no best'}`,
        );
    }
    const { left_out: leftOut } = this.overview;
    if (leftOut.length) texts.push(`not in this file: comparisons by ${leftOut.join(', ')}`);
    this.notes.replaceChildren();
    if (!texts.length) return;
    const list = (some) =>
      h(
        'ul',
        null,
        some.map((one) => h('li', null, one)),
      );
    const rest = texts.slice(WARNINGS_SHOWN);
    this.notes.append(
      h(
        'div',
        { class: 'warnings', role: 'group', 'aria-label': 'Warnings' },
        list(texts.slice(0, WARNINGS_SHOWN)),
        rest.length
          ? h('details', null, h('summary', null, `${rest.length} more`), list(rest))
          : null,
      ),
    );
  }

  open(caseIndex, variant, repeat) {
    const neighbour = (from, step) => {
      const { cases } = this.heatMap;
      const at = cases.indexOf(from);
      return at < 0 ? undefined : cases[at + step];
    };
    this.panel.open(caseIndex, variant, repeat, this.cells[this.metric], neighbour);
  }

  /** Opens the execution that the address names. */
  follow() {
    let id = location.hash.slice(1);
    try {
      id = decodeURIComponent(id);
    } catch {
      // An address that was cut off or typed is taken as it stands.
    }
    if (!id.startsWith('e_')) return;
    const { rows } = this.grid;
    const at = rows.id.indexOf(id);
    if (at >= 0) this.open(rows.case_index[at], rows.variant_index[at], rows.repeat[at]);
    else announce(`there is no execution ${id} in this report`);
  }

  nameTheme() {
    const theme = document.documentElement.dataset.theme || 'auto';
    this.themeButton.textContent = `Theme: ${theme}`;
  }

  nextTheme() {
    const theme = document.documentElement.dataset.theme || 'auto';
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    document.documentElement.dataset.theme = next;
    remembered(next);
    this.nameTheme();
    this.repaint();
  }

  repaint() {
    this.heatMap.repaint();
  }
}

unpacked('overview')
  .then((overview) => new Page(overview).draw())
  .catch((error) => {
    const main = document.getElementById('main');
    main.replaceChildren(
      h(
        'p',
        { class: 'note' },
        `This page cannot be shown: ${error}. It needs a browser of 2023 or later, and the whole file.`,
      ),
    );
    throw error;
  });
