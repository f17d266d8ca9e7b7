// The path of an execution through its graph, and where two paths part.

const NODE_KEYS = [
  'node',
  'attempt',
  'step',
  'status',
  'calls',
  'started_at',
  'duration_s',
  'input',
  'output',
  'error',
  'usage',
];

/** Returns the nodes of an execution as objects, each with the step of the graph itself. */
function nodesOf(detail) {
  const roots = new Map();
  return (detail.nodes || []).map((row) => {
    const node = Object.fromEntries(NODE_KEYS.map((key, at) => [key, row[at]]));
    node.started_at /= 1e6;
    node.duration_s /= 1e6;
    node.root = node.node.split('/')[0];
    if (node.node === node.root) roots.set(`${node.attempt} ${node.root}`, node.step);
    const known = roots.get(`${node.attempt} ${node.root}`);
    node.place = known === undefined ? node.step : known;
    return node;
  });
}

/** Returns what led to the end: an attempt replaces what earlier ones did from its first step on. */
function workOf(nodes) {
  let kept = [];
  const attempts = [...new Set(nodes.map((one) => one.attempt))];
  for (const attempt of attempts) {
    const own = nodes.filter((one) => one.attempt === attempt);
    const first = Math.min(...own.map((one) => one.place));
    kept = [...kept.filter((one) => one.place < first), ...own];
  }
  // Which of the nodes of a step begins first is chance.
  return kept.sort((a, b) => a.place - b.place || (a.root < b.root ? -1 : a.root > b.root ? 1 : 0));
}

/** Returns the first node whose work differs: `{a, b, differs, keys}`; null where none does. */
function firstDifference(piece, a, b) {
  for (let at = 0; at < Math.max(a.length, b.length); at += 1) {
    const [one, other] = [a[at], b[at]];
    if (!one || !other || one.node !== other.node)
      return { a: one, b: other, differs: 'node', keys: [] };
    const given = differingKeys(piece, one.input, other.input);
    if (given.length) return { a: one, b: other, differs: 'input', keys: given };
    const returned = differingKeys(piece, one.output, other.output);
    if (one.status !== other.status || returned.length) {
      const inside = (whole, within) =>
        whole.filter(
          (node) => node.place === within.place && node.node.startsWith(`${within.node}/`),
        );
      const inner = firstDifference(piece, inside(a, one), inside(b, other));
      return (
        inner || {
          a: one,
          b: other,
          differs: one.status !== other.status ? 'status' : 'output',
          keys: returned,
        }
      );
    }
  }
  return null;
}

/** Says in a sentence where two executions part. */
function saidDifference(found, baseline) {
  if (!found) return `No node did anything else than ${baseline}\u2019s.`;
  const node = (found.a || found.b).node;
  if (found.differs === 'node') {
    if (!found.a)
      return `First difference from ${baseline}: it went on to node ${found.b.node}, this one did not.`;
    if (!found.b)
      return `First difference from ${baseline}: this one went on to node ${node}, it did not.`;
    return `First difference from ${baseline}: node ${found.a.node} ran where ${found.b.node} did.`;
  }
  if (found.differs === 'status')
    return `First difference from ${baseline}: node ${node} ${found.a.status}, there it ${found.b.status}.`;
  const keys = found.keys.filter(Boolean);
  const which = keys.length
    ? ` (${keys.slice(0, 5).join(', ')}${keys.length > 5 ? ', \u2026' : ''})`
    : '';
  return `First difference from ${baseline}: the ${found.differs} of node ${node}${which}.`;
}

/** Draws when a node ran within its attempt. */
function timeBar(node, from, whole) {
  const start = whole > 0 ? (100 * (node.started_at - from)) / whole : 0;
  const length = whole > 0 ? (100 * node.duration_s) / whole : 100;
  const x = Math.max(0, Math.min(99, start));
  return s(
    'svg',
    { class: 'bar', viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    s('rect', { class: 'ground', x: 0, y: 0, width: 100, height: 6 }),
    s('rect', { class: 'time', x, y: 0, width: Math.max(1, Math.min(100 - x, length)), height: 6 }),
  );
}

/** Shows the path of an execution; `other` are the nodes that it is held against, if any. */
function showPath(piece, nodes, { other, parting, execution, of, error }) {
  if (!nodes.length) return h('p', { class: 'muted' }, 'No node ran.');
  const attempts = [...new Set(nodes.map((one) => one.attempt))];
  const shown = attempts.map((attempt) => {
    const own = nodes.filter((one) => one.attempt === attempt);
    const from = Math.min(...own.map((one) => one.started_at));
    const end = Math.max(...own.map((one) => one.started_at + one.duration_s));
    const items = own.map((node) =>
      showNode(piece, node, {
        from,
        whole: end - from,
        other,
        isParting: node === parting,
        execution,
        known: error,
      }),
    );
    return [
      attempts.length > 1 && h('p', { class: 'attempt' }, `attempt ${attempt}`),
      h('ol', { class: 'path' }, items),
    ];
  });
  return [
    shown,
    of > nodes.length &&
      h(
        'p',
        { class: 'cut' },
        `and ${plural(of - nodes.length, 'more node')}. `,
        howToSeeAll(execution),
      ),
  ];
}

/** Returns the node that ran in the same place of another path, if one did. */
function counterpart(node, other) {
  return (
    (other || []).find((one) => one.node === node.node && one.place === node.place) ||
    (other || []).find((one) => one.node === node.node)
  );
}

function showNode(piece, node, { from, whole, other, isParting, execution, known }) {
  const depth = node.node.split('/').length - 1;
  const twin = counterpart(node, other);
  const tokens = Object.values(node.usage || {}).reduce(
    (sum, one) => sum + (one.total_tokens || 0),
    0,
  );
  const facts = [
    node.calls > 1 && `${node.calls} calls`,
    tokens > 0 && `${tokens.toLocaleString('en')} tokens`,
    seconds(node.duration_s),
  ].filter(Boolean);
  const isGood = node.status === 'succeeded' || node.status === 'cached';
  const item = h(
    'details',
    { class: isParting ? 'node parting' : 'node', open: isParting || node.status === 'failed' },
    h(
      'summary',
      null,
      h('span', { class: 'node-name' }, node.node),
      !isGood || node.status === 'cached'
        ? h('span', { class: `status ${node.status}` }, node.status)
        : null,
      isParting && h('span', { class: 'status differs' }, 'first difference'),
      h('span', { class: 'facts' }, facts.join(' \u00b7 ')),
      timeBar(node, from, whole),
    ),
  );
  // Its values are shown once somebody opens it: there may be hundreds of nodes.
  const fillIn = () => {
    if (item.childElementCount > 1) return;
    item.append(
      h(
        'div',
        { class: 'node-body' },
        node.error ? showNodeError(piece, node.error, known, execution) : null,
        h('h5', null, 'Input'),
        showValue(
          piece,
          node.input,
          twin ? differingKeys(piece, node.input, twin.input) : [],
          execution,
        ),
        h('h5', null, 'Output'),
        showValue(
          piece,
          node.output,
          twin ? differingKeys(piece, node.output, twin.output) : [],
          execution,
        ),
        Object.keys(node.usage || {}).length ? showUsage(node.usage) : null,
      ),
    );
  };
  item.addEventListener('toggle', fillIn);
  if (item.open) fillIn();
  return h('li', { class: `depth-${Math.min(depth, 4)}` }, item);
}

function showUsage(usage) {
  const rows = Object.entries(usage).map(([model, counts]) =>
    h(
      'tr',
      null,
      h('th', { scope: 'row' }, model),
      ['calls', 'input_tokens', 'output_tokens', 'total_tokens'].map((key) =>
        h('td', null, figure(counts[key])),
      ),
    ),
  );
  return h(
    'table',
    { class: 'small' },
    h(
      'thead',
      null,
      h(
        'tr',
        null,
        ['model', 'calls', 'input', 'output', 'all tokens'].map((one) =>
          h('th', { scope: 'col' }, one),
        ),
      ),
    ),
    h('tbody', null, rows),
  );
}

/** Shows why a node failed, unless that is what its execution failed of. */
function showNodeError(piece, error, known, execution) {
  const isKnown = known && known.message === error.message && known.type === error.type;
  return isKnown
    ? h('p', { class: 'bad' }, `${error.type}, as above`)
    : showError(piece, error, execution);
}

function showError(piece, error, execution) {
  return h(
    'div',
    { class: 'error' },
    h(
      'p',
      null,
      error.node && `node ${error.node}: `,
      h('strong', null, error.type),
      ': ',
      textOf(piece, error.message),
    ),
    error.traceback !== null &&
      h(
        'details',
        null,
        h('summary', null, 'Traceback'),
        showPrinted(piece, error.traceback, execution),
      ),
  );
}
