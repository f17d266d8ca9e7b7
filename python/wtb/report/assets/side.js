// Parts of what a panel shows of one execution: its scores, what it printed, its files.

const CHANGES = { added: 'new', changed: 'changed', removed: 'removed', same: '' };

function baselineName(name, word) {
  return name === 'baseline' ? word : `${word} (${name})`;
}

function showScores(piece, scores, execution) {
  if (!scores.length) return null;
  const rows = scores.map((one) =>
    h(
      'tr',
      null,
      h(
        'th',
        { scope: 'row' },
        one.name,
        one.source !== one.name && h('span', { class: 'muted' }, ` by ${one.source}`),
      ),
      h('td', null, one.value === null ? NONE : figure(one.value)),
      h(
        'td',
        { class: 'text' },
        one.error !== null &&
          h('span', { class: 'bad' }, 'no score: ', showPrinted(piece, one.error, execution)),
        one.reason !== null && showPrinted(piece, one.reason, execution),
      ),
    ),
  );
  return [
    h('h4', null, 'Scores'),
    h(
      'table',
      { class: 'small scores' },
      h(
        'thead',
        { class: 'unseen' },
        h(
          'tr',
          null,
          ['name', 'value', 'reason'].map((one) => h('th', { scope: 'col' }, one)),
        ),
      ),
      h('tbody', null, rows),
    ),
  ];
}

/** Shows what attempts printed, and why earlier ones failed. */
function showAttempts(piece, attempts, of, execution) {
  const shown = attempts
    .map((one, at) => {
      const isLast = at === attempts.length - 1;
      const error = isLast ? null : one.error;
      const parts = [
        error && showError(piece, error, execution),
        one.stdout !== null && [
          h('h5', null, 'Standard output'),
          showPrinted(piece, one.stdout, execution),
        ],
        one.stderr !== null && [
          h('h5', null, 'Standard error'),
          showPrinted(piece, one.stderr, execution),
        ],
      ].filter(Boolean);
      if (!parts.length) return null;
      return h(
        'div',
        { class: 'attempt-printed' },
        attempts.length > 1 && h('p', { class: 'attempt' }, `attempt ${one.number}, ${one.status}`),
        parts,
      );
    })
    .filter(Boolean);
  if (!shown.length) return null;
  const left = of - attempts.length;
  return [
    h('h4', null, 'Printed'),
    left > 0 && h('p', { class: 'cut' }, `${plural(left, 'earlier attempt')} not shown`),
    shown,
  ];
}

function showFiles(piece, files, execution) {
  if (!files) return null;
  const rows = files.rows.map(([kind, path, size, content]) => {
    const name =
      content === null
        ? h('code', null, path)
        : h(
            'details',
            null,
            h('summary', null, h('code', null, path)),
            showPrinted(piece, content, execution),
          );
    return h(
      'tr',
      null,
      h('th', { scope: 'row' }, name),
      h('td', null, size === null ? NONE : bytes(size)),
      h('td', { class: 'text' }, CHANGES[kind]),
    );
  });
  const more = files.of - files.rows.length;
  return [
    h('h4', null, 'Files'),
    h(
      'table',
      { class: 'small files' },
      h(
        'thead',
        { class: 'unseen' },
        h(
          'tr',
          null,
          ['path', 'size', 'change'].map((one) => h('th', { scope: 'col' }, one)),
        ),
      ),
      h('tbody', null, rows),
    ),
    more > 0 &&
      h(
        'p',
        { class: 'cut' },
        `and ${plural(more, 'more file')}: `,
        h('code', null, `wtb files ${execution}`),
      ),
  ];
}
