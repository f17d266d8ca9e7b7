// The heat map: a row for each case, a column for each variant. Only rows in sight are in the page,
// so that its size does not depend on how many cases there are.

const ROW_HEIGHT = 32;
const ROWS_AROUND = 12;
const ROWS_PRINTED_MAX = 400;

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

/** Colours from bad over middling to good; blue and orange differ for colour-blind people, too. */
const SCALES = {
  light: [
    [180, 83, 9],
    [250, 190, 120],
    [244, 244, 240],
    [150, 190, 228],
    [29, 92, 165],
  ],
  dark: [
    [232, 136, 48],
    [140, 82, 36],
    [58, 62, 70],
    [52, 96, 148],
    [96, 165, 232],
  ],
};

/** Returns the colour of a value, and that of figures on it. */
function colours(goodness, theme) {
  const stops = SCALES[theme];
  const at = Math.max(0, Math.min(0.9999, goodness)) * (stops.length - 1);
  const below = Math.floor(at);
  const mixed = stops[below].map((one, part) =>
    Math.round(one + (stops[below + 1][part] - one) * (at - below)),
  );
  const [r, g, b] = mixed.map((one) => {
    const share = one / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return { back: `rgb(${mixed.join(',')})`, front: luminance > 0.179 ? '#000' : '#fff' };
}

class HeatMap {
  constructor(grid, open) {
    this.grid = grid;
    this.open = open;
    this.filter = { mode: 'all', variant: null, text: '', sort: 'order' };
    this.active = { row: 0, column: 0 };
    this.cases = [];
    this.body = h('tbody');
    this.headRow = h('tr', { 'aria-rowindex': 1 });
    this.table = h(
      'table',
      { role: 'grid', id: 'cells', 'aria-label': 'Scores of variants by case' },
      h('thead', null, this.headRow),
      this.body,
    );
    this.scroller = h(
      'div',
      {
        class: 'grid',
        id: 'grid',
        tabindex: -1,
        on: {
          scroll: () => this.later(),
          keydown: (event) => this.key(event),
        },
      },
      this.table,
    );
    this.counted = h('p', { class: 'muted', id: 'shown', role: 'status' });
    this.modes = MODES.map(([mode, label]) =>
      button(label, () => this.set({ mode, variant: null }), { 'data-mode': mode }),
    );
    this.element = h(
      'div',
      null,
      this.makeControls(),
      this.counted,
      this.scroller,
      this.makeLegend(),
    );
    new ResizeObserver(() => this.later()).observe(this.scroller);
    window.addEventListener('beforeprint', () =>
      this.drawRows(0, Math.min(this.cases.length, ROWS_PRINTED_MAX)),
    );
    window.addEventListener('afterprint', () => this.draw());
  }

  makeControls() {
    let waiting = 0;
    const search = h('input', {
      type: 'search',
      id: 'search',
      placeholder: 'id, tag, group, input',
      on: {
        input: () => {
          clearTimeout(waiting);
          waiting = setTimeout(() => this.set({ text: search.value }), 80);
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
      h('label', { class: 'choice' }, h('span', null, 'search'), search),
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
    this.cases = this.cells.select(this.filter);
    this.active.row = Math.max(0, Math.min(this.active.row, this.cases.length - 1));
    const { mode, variant } = this.filter;
    for (const one of this.modes) {
      one.setAttribute('aria-pressed', one.dataset.mode === mode && variant === null);
    }
    for (const chip of this.headRow.querySelectorAll('.chip')) {
      chip.setAttribute(
        'aria-pressed',
        chip.dataset.mode === mode && Number(chip.dataset.variant) === variant,
      );
    }
    const whose = variant === null ? '' : ` of ${this.grid.variants[variant]}`;
    const what = mode === 'all' ? '' : `, ${mode}${whose}`;
    this.counted.textContent = `${this.cases.length.toLocaleString('en')} of ${plural(this.grid.caseCount, 'case')}${what}`;
    this.table.setAttribute('aria-rowcount', this.cases.length + 1);
    this.table.setAttribute('aria-colcount', this.grid.variants.length + 1);
    this.scroller.scrollTop = 0;
    this.draw();
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
    this.headRow.replaceChildren(
      h('th', { scope: 'col', class: 'case', 'aria-colindex': 1 }, 'case'),
      ...heads,
    );
    this.table.style.minWidth = `calc(var(--case) + ${heads.length} * var(--cell))`;
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

  /** Draws the rows that have come in sight; those that are there stay, somebody may be on them. */
  later() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      const { first, end } = this.inSight();
      if (first !== this.drawn.first || end !== this.drawn.end) this.drawRows(first, end);
    });
  }

  draw() {
    const { first, end } = this.inSight();
    this.drawRows(first, end);
  }

  /** Returns which rows are in sight, and some around them. */
  inSight() {
    const above = Math.floor(this.scroller.scrollTop / ROW_HEIGHT);
    const shown = Math.ceil((this.scroller.clientHeight || 600) / ROW_HEIGHT);
    const end = Math.min(this.cases.length, above + shown + ROWS_AROUND);
    return { first: Math.max(0, Math.min(above - ROWS_AROUND, end)), end };
  }

  drawRows(first, end) {
    this.drawn = { first, end };
    const hadFocus = this.body.contains(document.activeElement);
    const theme = currentTheme();
    const rows = [];
    for (let row = first; row < end; row += 1) rows.push(this.row(row, theme));
    if (!this.cases.length)
      rows.push(
        h(
          'tr',
          null,
          h(
            'td',
            { class: 'none', colspan: this.grid.variants.length + 1 },
            'No case fits. ',
            button('Show all', () => {
              document.getElementById('search').value = '';
              this.set({ mode: 'all', variant: null, text: '' });
            }),
          ),
        ),
      );
    this.body.replaceChildren(this.gap(first), ...rows, this.gap(this.cases.length - end));
    if (!this.body.querySelector('[tabindex="0"]')) {
      const cell = this.body.querySelector('td[data-row]');
      if (cell) cell.tabIndex = 0;
    }
    if (hadFocus) (this.cell(this.active) || this.scroller).focus({ preventScroll: true });
  }

  gap(rows) {
    const gap = h('tr', { class: 'gap', 'aria-hidden': 'true' });
    gap.style.height = `${Math.max(0, rows) * ROW_HEIGHT}px`;
    return gap;
  }

  row(row, theme) {
    const caseIndex = this.cases[row];
    const { id, group, tags, input } = this.grid.cases;
    const about = [group[caseIndex] && `group ${group[caseIndex]}`, ...tags[caseIndex]].filter(
      Boolean,
    );
    const name = h(
      'th',
      {
        scope: 'row',
        class: 'case',
        'aria-colindex': 1,
        title: [id[caseIndex], ...about, input[caseIndex]].join('\n'),
      },
      h('span', { class: 'id' }, id[caseIndex]),
      about.map((one) => h('span', { class: 'tag' }, one)),
      h('span', { class: 'muted' }, input[caseIndex]),
    );
    const cells = this.grid.variants.map((_, variant) =>
      this.makeCell(row, caseIndex, variant, theme),
    );
    return h('tr', { 'aria-rowindex': row + 2 }, name, cells);
  }

  makeCell(row, caseIndex, variant, theme) {
    const { cells, grid } = this;
    const isActive = row === this.active.row && variant === this.active.column;
    const value = cells.value(variant, caseIndex);
    const failed = cells.has(variant, caseIndex, FAILED);
    const gain = cells.gain(variant, caseIndex);
    const members = grid.executions(variant, caseIndex);
    const text = Number.isNaN(value) ? (failed ? '\u2715' : NONE) : short(value);
    const told = [];
    const statuses = new Set(members.map((one) => grid.rows.status[one]));
    if (statuses.size !== 1 || !statuses.has('succeeded'))
      told.push([...statuses].join(' and ') || 'never run');
    if (cells.has(variant, caseIndex, FLAKY)) told.push(`the ${members.length} repeats disagree`);
    if (gain) told.push(gain > 0 ? 'better than the baseline' : 'worse than the baseline');
    const cell = h(
      'td',
      {
        class: `cell${failed ? ' failed' : ''}`,
        tabindex: isActive ? 0 : -1,
        'aria-colindex': variant + 2,
        title: [
          grid.variants[variant],
          Number.isNaN(value) ? 'no score' : figure(value),
          ...told,
        ].join('\n'),
        'data-row': row,
        'data-column': variant,
        on: {
          click: () => this.choose(row, variant, true),
          focus: () => this.choose(row, variant, false),
        },
      },
      h('span', { class: 'value' }, text),
    );
    if (told.length) cell.append(h('span', { class: 'unseen' }, `, ${told.join(', ')}`));
    if (gain)
      cell.append(
        h('span', { class: 'gain', 'aria-hidden': 'true' }, gain > 0 ? '\u25b2' : '\u25bc'),
      );
    if (cells.has(variant, caseIndex, FLAKY))
      cell.append(h('span', { class: 'dot', 'aria-hidden': 'true' }));
    if (!Number.isNaN(value)) {
      const { back, front } = colours(cells.goodness(value), theme);
      cell.style.backgroundColor = back;
      cell.style.color = front;
    }
    return cell;
  }

  cell({ row, column }) {
    return this.body.querySelector(`td[data-row="${row}"][data-column="${column}"]`);
  }

  choose(row, column, andOpen) {
    const old = this.body.querySelector('td[tabindex="0"]');
    if (old) old.tabIndex = -1;
    this.active = { row, column };
    const cell = this.cell(this.active);
    if (cell) cell.tabIndex = 0;
    if (andOpen) this.open(this.cases[row], column);
  }

  /** Puts the focus on the cell of a case and variant, if it is shown. */
  focus(caseIndex, variant) {
    const row = this.cases.indexOf(caseIndex);
    if (row < 0) return this.scroller.focus({ preventScroll: true });
    return this.go(row, variant);
  }

  go(row, column) {
    this.active = { row, column };
    const top = row * ROW_HEIGHT;
    const room = this.scroller.clientHeight - this.headRow.offsetHeight;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + ROW_HEIGHT > this.scroller.scrollTop + room)
      this.scroller.scrollTop = top + ROW_HEIGHT - room;
    this.draw();
    const cell = this.cell(this.active);
    if (!cell) return;
    for (const other of this.body.querySelectorAll('td[tabindex="0"]')) other.tabIndex = -1;
    cell.tabIndex = 0;
    cell.focus({ preventScroll: true });
    this.showColumn(cell);
  }

  /** Scrolls sideways so that a cell is not under the column of case names. */
  showColumn(cell) {
    const held = this.headRow.firstElementChild.offsetWidth;
    const left = cell.offsetLeft - held;
    const right = cell.offsetLeft + cell.offsetWidth - this.scroller.clientWidth;
    if (this.scroller.scrollLeft > left) this.scroller.scrollLeft = left;
    else if (this.scroller.scrollLeft < right) this.scroller.scrollLeft = right;
  }

  key(event) {
    const isInCells = this.body.contains(event.target) || event.target === this.scroller;
    if (!isInCells || !this.cases.length || event.altKey || event.metaKey) return;
    if (event.target.tagName === 'BUTTON') return;
    const { row, column } = this.active;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / ROW_HEIGHT) - 4);
    const last = { row: this.cases.length - 1, column: this.grid.variants.length - 1 };
    const moves = {
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      PageUp: [row - page, column],
      PageDown: [row + page, column],
      Home: event.ctrlKey ? [0, 0] : [row, 0],
      End: event.ctrlKey ? [last.row, last.column] : [row, last.column],
    };
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.open(this.cases[row], column);
    } else if (moves[event.key]) {
      event.preventDefault();
      const [to, across] = moves[event.key];
      this.go(Math.max(0, Math.min(to, last.row)), Math.max(0, Math.min(across, last.column)));
    }
  }
}
