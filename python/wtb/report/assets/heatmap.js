// The heat map: which cases are shown in which order, and what stands above and below them.

const MODES = [
  ['all', 'all'],
  ['different', 'different'],
  ['failures', 'failures'],
  ['regressions', 'regressions'],
  ['improvements', 'improvements'],
  ['flaky', 'flaky'],
];
const SORTS = [
  ['regressions', 'regressions first'],
  ['order', 'order of cases'],
  ['worst', 'worst mean first'],
  ['best', 'best mean first'],
];

class HeatMap {
  constructor(grid, open) {
    this.grid = grid;
    this.rows = new CellRows(grid, open, () => this.showAll());
    this.filter = { mode: 'all', variant: null, text: '', sort: 'order' };
    this.counted = h('p', { class: 'muted', id: 'shown', role: 'status' });
    this.modes = MODES.map(([mode, label]) =>
      button(label, () => this.set({ mode, variant: null }), { 'data-mode': mode }),
    );
    this.element = h(
      'div',
      null,
      this.makeControls(),
      this.counted,
      this.rows.element,
      this.makeLegend(),
    );
  }

  /** The cases that are shown, in order. */
  get cases() {
    return this.rows.cases;
  }

  makeControls() {
    let waiting = 0;
    this.search = h('input', {
      type: 'search',
      id: 'search',
      placeholder: 'id, tag, group, input',
      on: {
        input: () => {
          clearTimeout(waiting);
          waiting = setTimeout(() => this.set({ text: this.search.value }), 80);
        },
      },
    });
    this.sortChoice = h('span');
    return h(
      'div',
      { class: 'controls' },
      h(
        'div',
        { class: 'modes', role: 'group', 'aria-label': 'Which cases are shown' },
        this.modes,
      ),
      h('label', { class: 'choice' }, h('span', null, 'search'), this.search),
      this.sortChoice,
    );
  }

  makeLegend() {
    this.scaleStrip = h('span', { class: 'strip', 'aria-hidden': 'true' });
    this.scaleEnds = [h('span'), h('span')];
    return h(
      'p',
      { class: 'legend' },
      this.scaleEnds[0],
      this.scaleStrip,
      this.scaleEnds[1],
      h('span', { class: 'sample' }, h('span', { class: 'cell failed' }), 'failed or timed out'),
      h(
        'span',
        { class: 'sample' },
        h('span', { class: 'cell' }, h('span', { class: 'dot' })),
        'repeats disagree',
      ),
      h('span', { class: 'sample' }, h('span', { class: 'cell' }, NONE), 'no score'),
      h(
        'span',
        { class: 'sample' },
        '\u25b2 \u25bc better, worse than the baseline in the same case',
      ),
    );
  }

  /** Shows the cells of a metric. */
  show(cells) {
    const isFirst = !this.cells;
    this.cells = cells;
    if (isFirst && cells.baseline >= 0 && this.grid.variants.length > 1)
      this.filter.sort = 'regressions';
    const options = cells.baseline >= 0 ? SORTS : SORTS.slice(1);
    this.sortChoice.replaceChildren(
      choice('sort', options, this.filter.sort, (sort) => this.set({ sort })),
    );
    this.head();
    this.paintLegend();
    this.set({});
  }

  paintLegend() {
    const theme = currentTheme();
    const stops = [0, 0.25, 0.5, 0.75, 1].map((one) => colours(one, theme).back);
    this.scaleStrip.style.background = `linear-gradient(to right, ${stops.join(',')})`;
    const ends = this.cells.sign > 0 ? this.cells.bounds : [...this.cells.bounds].reverse();
    ends.forEach((end, at) => {
      this.scaleEnds[at].textContent = figure(end);
    });
  }

  /** Changes what is shown, and in which order. */
  set(change) {
    Object.assign(this.filter, change);
    this.rows.show(this.cells, this.cells.select(this.filter));
    const { mode, variant } = this.filter;
    for (const one of this.modes) {
      one.setAttribute('aria-pressed', one.dataset.mode === mode && variant === null);
    }
    for (const chip of this.rows.headRow.querySelectorAll('.chip')) {
      chip.setAttribute(
        'aria-pressed',
        chip.dataset.mode === mode && Number(chip.dataset.variant) === variant,
      );
    }
    const whose = variant === null ? '' : ` of ${this.grid.variants[variant]}`;
    const what = mode === 'all' ? '' : `, ${mode}${whose}`;
    this.counted.textContent = `${this.cases.length.toLocaleString('en')} of ${plural(this.grid.caseCount, 'case')}${what}`;
  }

  showAll() {
    this.search.value = '';
    this.set({ mode: 'all', variant: null, text: '' });
    this.modes[0].focus();
  }

  /** Draws again what is there, in the colours of the theme. */
  repaint() {
    this.paintLegend();
    this.rows.draw();
  }

  head() {
    const lines = new Map(this.cells.comparison.variants.map((line) => [line.name, line]));
    const scale = rangeOf(this.cells.comparison);
    const heads = this.grid.variants.map((name, variant) => {
      const line = lines.get(name);
      const told = isNumber(line.mean) ? `${short(line.mean)}` : NONE;
      const ends = isNumber(line.ci_low) ? `${short(line.ci_low)}\u2013${short(line.ci_high)}` : '';
      return h(
        'th',
        { scope: 'col', 'aria-colindex': variant + 2, title: name },
        h('span', { class: 'variant' }, breakable(clipped(name, 26))),
        h('span', { class: 'figures' }, h('strong', null, told), h('span', null, ends)),
        drawInterval(line, scale, null, 76),
        h('span', { class: 'chips' }, this.chips(variant)),
      );
    });
    this.rows.head(heads);
  }

  chips(variant) {
    const made = [];
    const chip = (mode, sign, word) => {
      const count = this.cells.count(mode, variant);
      if (!count) return;
      const whole = `${this.grid.variants[variant]}: ${count} ${word}`;
      const toggle = () => {
        const isOn = this.filter.mode === mode && this.filter.variant === variant;
        this.set(isOn ? { mode: 'all', variant: null } : { mode, variant });
        announce(isOn ? 'all cases' : whole);
      };
      made.push(
        button(`${sign}${count}`, toggle, {
          class: `chip ${mode}`,
          'data-mode': mode,
          'data-variant': variant,
          'aria-label': whole,
          title: `${count} ${word}`,
        }),
      );
    };
    if (this.cells.baseline >= 0 && variant !== this.cells.baseline) {
      chip('improvements', '\u25b2', 'improved');
      chip('regressions', '\u25bc', 'regressed');
    } else if (variant === this.cells.baseline) {
      made.push(h('span', { class: 'muted' }, 'baseline'));
    }
    chip('failures', '\u2715', 'failed');
    return made;
  }
}
