// Values as the report holds them: numbers of leaves, each of which is text, JSON or messages.
// Two values of a piece differ exactly where the numbers of their leaves do.

/** Returns the keys in which two values differ; [''] where one of them is no mapping. */
function differingKeys(piece, a, b) {
  if (a === b) return [];
  const [one, other] = [a, b].map((at) =>
    at === undefined || at === null ? null : piece.values[at],
  );
  if (one === null || other === null) return [''];
  if (typeof one === 'number' || typeof other === 'number') return one === other ? [] : [''];
  const [left, right] = [one, other].map((value) => new Map(value.keys));
  return [...new Set([...left.keys(), ...right.keys()])].filter(
    (key) => left.get(key) !== right.get(key),
  );
}

/** Shows a value; keys that are listed as differing are marked. */
function showValue(piece, at, differing = [], execution = null) {
  if (at === undefined || at === null) return h('p', { class: 'muted' }, 'nothing');
  const value = piece.values[at];
  if (typeof value === 'number') return showLeaf(piece, value, execution);
  const rows = value.keys.map(([key, leaf]) => {
    const differs = differing.includes(key);
    return h(
      'div',
      { class: differs ? 'entry differs' : 'entry' },
      h('dt', null, key, differs && h('span', { class: 'mark' }, ' differs')),
      h('dd', null, showLeaf(piece, leaf, execution)),
    );
  });
  const more = value.of - value.keys.length;
  return [
    h('dl', { class: 'value' }, rows),
    more > 0 && h('p', { class: 'cut' }, `and ${plural(more, 'more key')}`),
  ];
}

function showLeaf(piece, at, execution) {
  const [kind, content, whole] = piece.leaves[at];
  if (kind === 'large') {
    return h(
      'p',
      { class: 'cut' },
      `${bytes(content)}: too large for this page. `,
      howToSeeAll(execution),
    );
  }
  if (kind === 'messages') {
    const shown = content.map(([role, leaf]) =>
      h('li', null, h('span', { class: 'role' }, role), showLeaf(piece, leaf, execution)),
    );
    const more = whole - content.length;
    return [
      h('ol', { class: 'messages' }, shown),
      more > 0 && h('p', { class: 'cut' }, `and ${plural(more, 'more message')}`),
    ];
  }
  const text = kind === 'json' ? indented(content) : content;
  return [
    text === ''
      ? h('span', { class: 'muted' }, 'empty text')
      : h('pre', { tabindex: isLong(text) ? 0 : null, class: kind }, text),
    whole !== undefined &&
      h(
        'p',
        { class: 'cut' },
        `${content.length.toLocaleString('en')} of ${whole.toLocaleString('en')} characters. `,
        howToSeeAll(execution),
      ),
  ];
}

/** Whether a text is scrolled within its box, so that people without a mouse have to reach it. */
function isLong(text) {
  return text.length > 600 || text.split('\n').length > 12;
}

function howToSeeAll(execution) {
  return execution && ['All of it: ', h('code', null, `wtb show ${execution} --json`)];
}

/** Returns the text of a printed thing, or "". */
function textOf(piece, at) {
  if (at === undefined || at === null) return '';
  const value = piece.leaves[at];
  return value[1];
}

/** Shows a printed text, a traceback or the content of a file. */
function showPrinted(piece, at, execution) {
  return at === undefined || at === null ? null : showLeaf(piece, at, execution);
}
