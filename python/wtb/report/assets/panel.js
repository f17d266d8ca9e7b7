// The panel of a cell: the executions of a variant and a case, next to the baseline's.

class Panel {
  /** `grid` and `details` hold the executions; `closed` is called with the cell that was shown. */
  constructor(grid, details, closed) {
    this.grid = grid;
    this.details = details;
    this.closed = closed;
    this.shown = null;
    this.title = h('h2', { id: 'panel-title', tabindex: -1 });
    this.body = h('div', { class: 'panel-body' });
    const names = grid.variants.map((name, at) => [String(at), name]);
    this.variantChoice = choice('variant', names, '0', (variant) =>
      this.toVariant(Number(variant)),
    );
    this.element = h(
      'dialog',
      {
        class: 'panel',
        id: 'panel',
        'aria-labelledby': 'panel-title',
        on: {
          close: () => this.afterClose(),
          // A click on the dialog itself is one beside what it holds.
          click: (event) => event.target === this.element && this.element.close(),
        },
      },
      h(
        'div',
        { class: 'panel-frame' },
        h(
          'header',
          null,
          this.title,
          h(
            'div',
            { class: 'panel-tools' },
            this.variantChoice,
            button('\u2190', () => this.step(-1), {
              'aria-label': 'previous case',
              title: 'previous case (k)',
            }),
            button('\u2192', () => this.step(1), {
              'aria-label': 'next case',
              title: 'next case (j)',
            }),
            button('Close', () => this.element.close(), { id: 'panel-close' }),
          ),
        ),
        this.body,
      ),
    );
    document.addEventListener('keydown', (event) => this.key(event));
  }

  /** Opens the panel; `neighbour(caseIndex, step)` tells which case is beside one. */
  open(caseIndex, variant, repeat, cells, neighbour) {
    this.cells = cells;
    this.neighbour = neighbour;
    if (!this.element.open) this.element.showModal();
    this.show(caseIndex, variant, repeat);
    this.title.focus();
  }

  async show(caseIndex, variant, repeat) {
    const members = this.grid.executions(variant, caseIndex);
    const chosen = members.find((one) => this.grid.rows.repeat[one] === repeat) ?? members[0];
    const asked = { caseIndex, variant, chosen, members };
    this.shown = asked;
    this.title.textContent = `${this.grid.variants[variant]} \u00b7 ${this.grid.cases.id[caseIndex]}`;
    this.variantChoice.querySelector('select').value = String(variant);
    if (chosen !== undefined) setHash(this.grid.rows.id[chosen]);
    this.body.replaceChildren(h('p', { class: 'muted' }, 'Reading\u2026'));
    this.body.scrollTop = 0;
    try {
      const piece = await this.details.of(caseIndex);
      // Another one may have been asked for in the meantime.
      if (this.shown === asked) this.draw(piece, asked);
    } catch (error) {
      this.body.replaceChildren(
        h(
          'p',
          { class: 'note' },
          `These details cannot be read (${error}): the file may be cut off.`,
        ),
      );
    }
  }

  draw(piece, { caseIndex, variant, chosen, members }) {
    if (chosen === undefined || piece === null) {
      this.body.replaceChildren(h('p', null, 'There is no execution of this variant and case.'));
      return;
    }
    const { rows } = this.grid;
    const baseline = this.cells.baseline;
    const twin =
      baseline >= 0 && baseline !== variant
        ? this.grid
            .executions(baseline, caseIndex)
            .find((one) => rows.repeat[one] === rows.repeat[chosen])
        : undefined;
    const own = this.side(piece, chosen);
    const other = twin === undefined ? null : this.side(piece, twin);
    const parting = other && firstDifference(piece, own.work, other.work);
    const whose = other && baselineName(this.grid.variants[baseline], 'the baseline');
    this.body.replaceChildren(
      this.makeTabs(members, chosen),
      h(
        'div',
        {
          id: 'panel-content',
          role: members.length > 1 ? 'tabpanel' : null,
          'aria-label': members.length > 1 ? `repeat ${rows.repeat[chosen] + 1}` : null,
        },
        this.makeCase(piece, caseIndex, rows.id[chosen]),
        other &&
          h(
            'p',
            { class: parting ? 'parting-line' : 'parting-line none', id: 'parting' },
            saidDifference(parting, whose),
          ),
        h(
          'div',
          { class: other ? 'sides two' : 'sides' },
          this.makeSide(piece, own, other, parting && parting.a, this.grid.variants[variant]),
          other &&
            this.makeSide(
              piece,
              other,
              own,
              parting && parting.b,
              baselineName(this.grid.variants[baseline], 'baseline'),
            ),
        ),
      ),
    );
  }

  side(piece, at) {
    const detail = piece.executions[this.grid.rows.id[at]] || {};
    const nodes = nodesOf(detail);
    return { at, id: this.grid.rows.id[at], detail, nodes, work: workOf(nodes) };
  }

  makeTabs(members, chosen) {
    if (members.length < 2) return '';
    const { rows } = this.grid;
    const tabs = members.map((one) => {
      const score = this.cells.scores[one];
      const isChosen = one === chosen;
      const told = ERRORS.has(rows.status[one]) ? rows.status[one] : short(score) || NONE;
      return button(
        `repeat ${rows.repeat[one] + 1}: ${told}`,
        () => this.toRepeat(rows.repeat[one]),
        {
          role: 'tab',
          'aria-selected': isChosen,
          tabindex: isChosen ? 0 : -1,
          'aria-controls': 'panel-content',
        },
      );
    });
    const move = (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const at = (members.indexOf(chosen) + step + members.length) % members.length;
      this.toRepeat(rows.repeat[members[at]]);
    };
    return h(
      'div',
      { role: 'tablist', 'aria-label': 'Repeats', class: 'tabs', on: { keydown: move } },
      tabs,
    );
  }

  async toRepeat(repeat) {
    await this.show(this.shown.caseIndex, this.shown.variant, repeat);
    const tab = this.body.querySelector('[aria-selected="true"]');
    if (tab) tab.focus();
  }

  makeCase(piece, caseIndex, execution) {
    const { group, tags } = this.grid.cases;
    const given = piece.cases[caseIndex];
    const about = [group[caseIndex] && `group ${group[caseIndex]}`, ...tags[caseIndex]].filter(
      Boolean,
    );
    return h(
      'section',
      { class: 'given', 'aria-label': 'The case' },
      about.length
        ? h(
            'p',
            null,
            about.map((one) => h('span', { class: 'tag' }, one)),
          )
        : null,
      h(
        'div',
        { class: given.expected === null ? null : 'halves' },
        h('div', null, h('h3', null, 'Input'), showValue(piece, given.input, [], execution)),
        given.expected !== null &&
          h(
            'div',
            null,
            h('h3', null, 'Expected'),
            showValue(piece, given.expected, [], execution),
          ),
      ),
    );
  }

  makeSide(piece, { at, id, detail, nodes }, other, parting, name) {
    const { rows } = this.grid;
    const status = rows.status[at];
    const result = detail.output ?? detail.state;
    // What did not come to its end has no output, but a state.
    const isState = (detail.output ?? null) === null && (detail.state ?? null) !== null;
    const heading = isState ? 'State' : 'Output';
    const attempts = detail.attempts || [];
    const worker = attempts.length ? attempts[attempts.length - 1].worker : null;
    const facts = [
      seconds(rows.duration_s[at]),
      rows.attempts[at] !== 1 && plural(rows.attempts[at], 'attempt'),
      rows.tokens[at] !== null && `${rows.tokens[at].toLocaleString('en')} tokens`,
      `seed ${rows.seed[at]}`,
      worker,
    ].filter(Boolean);
    return h(
      'section',
      { class: 'side', 'aria-label': name },
      h('h3', null, name, ' ', h('span', { class: `status ${status}` }, status)),
      h('p', { class: 'muted facts' }, h('code', null, id), ' \u00b7 ', facts.join(' \u00b7 ')),
      detail.error ? showError(piece, detail.error, id) : null,
      (rows.warnings[at] || []).map((one) => h('p', { class: 'note' }, one)),
      detail.questions
        ? [
            h('h4', null, 'Awaits an answer'),
            detail.questions.map((one) => showValue(piece, one, [], id)),
          ]
        : null,
      showScores(piece, detail.scores || [], id),
      h('h4', null, heading),
      h(
        'div',
        { class: 'held', tabindex: 0, role: 'region', 'aria-label': `${heading} of ${name}` },
        showValue(
          piece,
          result,
          other ? differingKeys(piece, result, other.detail.output ?? other.detail.state) : [],
          id,
        ),
      ),
      h('h4', null, 'Path'),
      showPath(piece, nodes, {
        other: other && other.nodes,
        parting,
        execution: id,
        of: detail.nodes_of || 0,
        error: detail.error,
      }),
      showAttempts(piece, attempts, detail.attempts_of, id),
      showFiles(piece, detail.files, id),
    );
  }

  step(by) {
    const next = this.neighbour(this.shown.caseIndex, by);
    if (next === undefined)
      return announce(by > 0 ? 'this is the last case' : 'this is the first case');
    return this.show(next, this.shown.variant, this.repeat());
  }

  toVariant(variant) {
    return this.show(this.shown.caseIndex, variant, this.repeat());
  }

  repeat() {
    const { chosen } = this.shown;
    return chosen === undefined ? 0 : this.grid.rows.repeat[chosen];
  }

  key(event) {
    if (!this.element.open) return;
    if (
      /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) ||
      event.ctrlKey ||
      event.metaKey ||
      event.altKey
    )
      return;
    if (event.key === 'j') this.step(1);
    if (event.key === 'k') this.step(-1);
  }

  afterClose() {
    const { caseIndex, variant } = this.shown;
    this.shown = null;
    this.body.replaceChildren();
    setHash('');
    this.closed(caseIndex, variant);
  }
}
