// The rows of the heat map. Only those in sight are in the page, so that its size does not depend on
// how many cases there are; the rest is a gap above and one below.

const ROW_HEIGHT = 32;
const ROWS_AROUND = 12;
const ROWS_PRINTED_MAX = 400;

class CellRows {
  /** `open` is called with the case and the variant of a cell, `showAll` when no case is shown. */
  constructor(grid, open, showAll) {
    this.grid = grid;
    this.open = open;
    this.showAll = showAll;
    this.active = { row: 0, column: 0 };
    this.cases = [];
    this.drawn = { first: 0, end: 0 };
    this.body = h('tbody');
    this.headRow = h('tr', { 'aria-rowindex': 1 });
    this.table = h(
      'table',
      { role: 'grid', id: 'cells', 'aria-label': 'Scores of variants by case' },
      h('thead', null, this.headRow),
      this.body,
    );
    const on = { scroll: () => this.later(), keydown: (event) => this.key(event) };
    this.scroller = h('div', { class: 'grid', id: 'grid', tabindex: -1, on }, this.table);
    this.printed = h('p', { class: 'only-printed' });
    this.element = h('div', null, this.scroller, this.printed);
    new ResizeObserver(() => this.later()).observe(this.scroller);
    window.addEventListener('beforeprint', () => this.drawForPaper());
    window.addEventListener('afterprint', () => this.draw());
  }

  head(heads) {
    const first = h('th', { scope: 'col', class: 'case', 'aria-colindex': 1 }, 'case');
    this.headRow.replaceChildren(first, ...heads);
    this.table.style.minWidth = `calc(var(--case) + ${heads.length} * var(--cell))`;
  }

  /** Shows some cases. */
  show(cells, cases) {
    this.cells = cells;
    this.cases = cases;
    this.active.row = Math.max(0, Math.min(this.active.row, cases.length - 1));
    this.table.setAttribute('aria-rowcount', cases.length + 1);
    this.table.setAttribute('aria-colcount', this.grid.variants.length + 1);
    this.scroller.scrollTop = 0;
    this.draw();
  }

  drawForPaper() {
    const left = this.cases.length - ROWS_PRINTED_MAX;
    this.printed.textContent = left > 0 ? `and ${plural(left, 'more case')}` : '';
    this.drawRows(0, Math.min(this.cases.length, ROWS_PRINTED_MAX));
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
    if (!this.cases.length) rows.push(this.makeNone());
    this.body.replaceChildren(this.gap(first), ...rows, this.gap(this.cases.length - end));
    if (!this.body.querySelector('[tabindex="0"]')) {
      const cell = this.body.querySelector('td[data-row]');
      if (cell) cell.tabIndex = 0;
    }
    if (hadFocus) (this.cell(this.active) || this.scroller).focus({ preventScroll: true });
  }

  makeNone() {
    const all = button('Show all', () => this.showAll());
    const columns = this.grid.variants.length + 1;
    return h('tr', null, h('td', { class: 'none', colspan: columns }, 'No case fits. ', all));
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
    const value = cells.value(variant, caseIndex);
    const isFailed = cells.has(variant, caseIndex, FAILED);
    const told = this.remarks(caseIndex, variant);
    const figures = Number.isNaN(value) ? 'no score' : figure(value);
    const isActive = row === this.active.row && variant === this.active.column;
    const cell = h(
      'td',
      {
        class: isFailed ? 'cell failed' : 'cell',
        tabindex: isActive ? 0 : -1,
        'aria-colindex': variant + 2,
        title: [grid.variants[variant], figures, ...told].join('\n'),
        'data-row': row,
        'data-column': variant,
        on: {
          click: () => this.choose(row, variant, true),
          focus: () => this.choose(row, variant, false),
        },
      },
      h(
        'span',
        { class: 'value' },
        Number.isNaN(value) ? (isFailed ? '\u2715' : NONE) : short(value),
      ),
    );
    if (told.length) cell.append(h('span', { class: 'unseen' }, `, ${told.join(', ')}`));
    this.mark(cell, caseIndex, variant);
    if (!Number.isNaN(value)) {
      const { back, front } = colours(cells.goodness(value), theme);
      cell.style.backgroundColor = back;
      cell.style.color = front;
    }
    return cell;
  }

  /** Says what is to be said of a cell besides its value. */
  remarks(caseIndex, variant) {
    const { cells, grid } = this;
    const members = grid.executions(variant, caseIndex);
    const statuses = new Set(members.map((one) => grid.rows.status[one]));
    const gain = cells.gain(variant, caseIndex);
    const told = [];
    if (statuses.size !== 1 || !statuses.has('succeeded')) {
      told.push([...statuses].join(' and ') || 'never run');
    }
    if (cells.has(variant, caseIndex, FLAKY)) told.push(`the ${members.length} repeats disagree`);
    if (gain) told.push(gain > 0 ? 'better than the baseline' : 'worse than the baseline');
    return told;
  }

  mark(cell, caseIndex, variant) {
    const gain = this.cells.gain(variant, caseIndex);
    const sign = gain > 0 ? '\u25b2' : '\u25bc';
    if (gain) cell.append(h('span', { class: 'gain', 'aria-hidden': 'true' }, sign));
    if (this.cells.has(variant, caseIndex, FLAKY)) {
      cell.append(h('span', { class: 'dot', 'aria-hidden': 'true' }));
    }
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
