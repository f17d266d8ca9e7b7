// The matrix: a row for each variant, with every figure that a comparison has.

/** How intervals are called: `95% CI`. */
function levelOf(comparison) {
  return `${Number((comparison.confidence * 100).toFixed(2))}% CI`;
}

/** Columns: title, what it means, value to sort by, what a cell shows. */
function matrixColumns(comparison) {
  const lines = comparison.variants;
  const level = levelOf(comparison);
  const versus = (key) => (line) => (line.vs_baseline ? line.vs_baseline[key] : null);
  const has = (value) => lines.some((line) => isNumber(value(line)));
  const columns = [];
  const add = (title, meaning, value, show) => columns.push({ title, meaning, value, show });
  const column = (title, meaning, value, write) => {
    if (has(value)) add(title, meaning, value, (line) => write(value(line)));
  };
  if (comparison.metric) {
    const own = decimalsOf(lines.map((line) => line.mean));
    add(
      comparison.metric,
      'mean over cases',
      (line) => line.mean,
      (line) => fixed(line.mean, own),
    );
    const scale = rangeOf(comparison);
    const base = lines.find((line) => line.name === comparison.baseline);
    add(
      level,
      'confidence interval of the mean; the dashed line is the baseline\u2019s mean',
      (line) => line.ci_low,
      (line) => [
        drawInterval(line, scale, base && base.mean),
        h('span', { class: 'ends', title: line.method }, range(line.ci_low, line.ci_high, own)),
      ],
    );
    const differences = decimalsOf(lines.map(versus('difference')));
    if (has(versus('difference'))) {
      add(
        'difference',
        `to ${comparison.baseline}, mean over the cases of both`,
        versus('difference'),
        (line) => differenceCell(line, comparison, differences),
      );
      add(`paired ${level}`, 'of the difference, case by case', versus('ci_low'), (line) =>
        range(versus('ci_low')(line), versus('ci_high')(line), differences, signed),
      );
      const corrected = comparison.correction === 'holm' ? 'p (Holm)' : 'p (BH)';
      add(
        corrected,
        'chance of such a difference where there is none, corrected for the number of variants',
        versus('p_adjusted'),
        (line) => {
          const second = line.vs_baseline && line.vs_baseline.second;
          const told =
            line.vs_baseline &&
            `${line.vs_baseline.test}; ${second.test}: ${chance(second.p_value)}`;
          return h('span', { title: told }, chance(versus('p_adjusted')(line)));
        },
      );
      add(
        'won/tied/lost',
        'cases in which the variant is better, alike, worse',
        versus('wins'),
        (line) =>
          line.vs_baseline
            ? `${line.vs_baseline.wins}/${line.vs_baseline.ties}/${line.vs_baseline.losses}`
            : NONE,
      );
    }
    column(
      'P(best)',
      'chance of having the best mean',
      (line) => line.p_best,
      (p) => p.toFixed(2),
    );
    addReliability(lines, column);
  }
  column('cost', 'mean of an execution', (line) => line.cost, figure);
  column('tokens', 'median of an execution', (line) => line.tokens && line.tokens.median, figure);
  column(
    'median',
    'time that an execution takes',
    (line) => line.duration_s && line.duration_s.median,
    seconds,
  );
  column(
    'p95',
    'time that 95 of 100 executions do not exceed',
    (line) => line.duration_s && line.duration_s.p95,
    seconds,
  );
  column(
    'coverage',
    'share of executions that have a score or ended with an error',
    (line) => line.coverage,
    percent,
  );
  add(
    'errors',
    'executions that failed or timed out',
    (line) => line.errors,
    (line) => h('span', line.errors ? { class: 'bad' } : null, figure(line.errors)),
  );
  column('n', 'executions that count in the mean', (line) => line.n, figure);
  for (const [name, direction] of comparison.metrics.slice(1)) {
    const value = (line) => line.metrics[name];
    const decimals = decimalsOf(lines.map(value));
    column(name, `mean; ${direction === 'max' ? 'higher' : 'lower'} is better`, value, (one) =>
      fixed(one, decimals),
    );
  }
  return columns;
}

function differenceCell(line, comparison, decimals) {
  const versus = line.vs_baseline;
  if (!versus)
    return line.name === comparison.baseline ? h('span', { class: 'muted' }, 'baseline') : NONE;
  const better = comparison.direction === 'max' ? versus.difference > 0 : versus.difference < 0;
  const isFound = versus.p_adjusted <= 1 - comparison.confidence_each && versus.difference !== 0;
  const mark = isFound ? (better ? '\u25b2 ' : '\u25bc ') : '';
  const kind = isFound ? (better ? 'good' : 'bad') : null;
  return h('span', { class: kind }, mark, signed(versus.difference, decimals));
}

function addReliability(lines, column) {
  const lengths = lines
    .filter((line) => line.reliability)
    .map((line) => line.reliability.pass_all.length);
  const k = lengths.length ? Math.min(...lengths) : 0;
  if (k < 2) return;
  const of = (pick) => (line) => (line.reliability ? pick(line.reliability) : null);
  column(
    `pass^${k}`,
    `chance that ${k} of ${k} repeats pass`,
    of((one) => one.pass_all[k - 1]),
    (p) => p.toFixed(2),
  );
  column(
    `pass@${k}`,
    `chance that at least one of ${k} repeats passes`,
    of((one) => one.pass_at[k - 1]),
    (p) => p.toFixed(2),
  );
  column(
    'flips',
    'share of cases whose repeats disagree',
    of((one) => one.flip_rate),
    percent,
  );
}

/** Makes the matrix. Its sorting is its own; the order of a batch is where it begins. */
function makeMatrix(comparison, substitutes) {
  const columns = matrixColumns(comparison);
  const body = h('tbody');
  const state = { column: null, descending: true };
  const heads = columns.map((column) => {
    const sort = button(
      [column.title, h('span', { class: 'arrow', 'aria-hidden': 'true' })],
      () => by(column),
      { title: column.meaning },
    );
    return h('th', { scope: 'col', 'aria-sort': 'none' }, sort);
  });
  const first = h(
    'th',
    { scope: 'col', class: 'name' },
    button('variant', () => by(null), { title: 'in the order of the batch' }),
  );

  function by(column) {
    state.descending = column === state.column ? !state.descending : true;
    state.column = column;
    heads.forEach((head, at) => {
      const isChosen = columns[at] === column;
      head.setAttribute(
        'aria-sort',
        isChosen ? (state.descending ? 'descending' : 'ascending') : 'none',
      );
    });
    draw();
  }

  function draw() {
    const lines = [...comparison.variants];
    const { column } = state;
    if (column) {
      const key = (line) => (isNumber(column.value(line)) ? column.value(line) : null);
      lines.sort((a, b) => {
        if (key(a) === null || key(b) === null) return (key(a) === null) - (key(b) === null);
        return state.descending ? key(b) - key(a) : key(a) - key(b);
      });
    }
    body.replaceChildren(...lines.map((line) => row(line)));
  }

  function row(line) {
    const isBest = line.name === comparison.best;
    const isAmongBest = comparison.best_set.includes(line.name);
    const mark = isAmongBest
      ? h(
          'span',
          { class: 'star', title: isBest ? 'best' : 'cannot be told apart from the best mean' },
          '\u2605',
        )
      : h('span', { class: 'star' });
    const told = isBest ? ' (best)' : isAmongBest ? ' (among the best)' : '';
    const name = h(
      'th',
      {
        scope: 'row',
        class: isBest ? 'name best' : 'name',
        title: [line.name, substitutes.get(line.name)].filter(Boolean).join('\n'),
      },
      h(
        'span',
        { class: 'named' },
        mark,
        h('span', null, breakable(line.name), told && h('span', { class: 'unseen' }, told)),
      ),
    );
    return h(
      'tr',
      null,
      name,
      columns.map((column) => h('td', null, column.show(line))),
    );
  }

  draw();
  return h(
    'div',
    {
      class: 'scroll',
      tabindex: 0,
      role: 'region',
      'aria-label': 'The matrix, which can be scrolled sideways',
    },
    h(
      'table',
      { class: 'matrix', id: 'matrix' },
      h('caption', { class: 'unseen' }, `Variants by ${comparison.metric || 'time'}`),
      h('thead', null, h('tr', null, first, heads)),
      body,
    ),
  );
}

/** Makes the table of what choices on the axes of a grid do; null without any. */
function makeEffects(comparison) {
  if (!comparison.effects.length) return null;
  const decimals = decimalsOf(comparison.effects.map((one) => one.effect));
  const rows = [...comparison.effects]
    .sort((a, b) => a.p_adjusted - b.p_adjusted)
    .map((one) => {
      const isFound = one.p_adjusted <= 1 - comparison.confidence_each;
      const choices = one.choices.map(([axis, name]) => `${axis}=${name}`).join(' \u00d7 ');
      return h(
        'tr',
        { class: isFound ? 'found' : null },
        h('th', { scope: 'row' }, choices),
        h('td', { class: 'text' }, one.references.join(' \u00d7 ')),
        h('td', null, signed(one.effect, decimals)),
        h('td', null, range(one.ci_low, one.ci_high, decimals, signed)),
        h('td', null, chance(one.p_adjusted)),
      );
    });
  const titles = ['effect of', 'against', 'difference', levelOf(comparison), 'p'];
  return h(
    'section',
    { 'aria-labelledby': 'effects-title' },
    h('h3', { id: 'effects-title' }, 'What the choices do'),
    h(
      'p',
      { class: 'muted' },
      'Each averaged over the other axes of the grid; p corrected for the number of effects.',
    ),
    h(
      'div',
      { class: 'scroll' },
      h(
        'table',
        { class: 'matrix effects' },
        h(
          'thead',
          null,
          h(
            'tr',
            null,
            titles.map((one) => h('th', { scope: 'col' }, one)),
          ),
        ),
        h('tbody', null, rows),
      ),
    ),
  );
}
