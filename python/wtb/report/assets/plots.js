// Plots of a comparison: the intervals of all variants, and the score against what it takes.

/** Left of this are the figures of the axis. */
const LABELS_LEFT = 58;

const SPENT = [
  ['cost', 'mean cost of an execution', (line) => line.cost, figure],
  ['tokens', 'median tokens of an execution', (line) => line.tokens && line.tokens.median, figure],
  [
    'duration_s',
    'median time of an execution',
    (line) => line.duration_s && line.duration_s.median,
    exactSeconds,
  ],
];

/** Plots are drawn as wide as they are shown, so that their text has its size. */
function plotWidth() {
  return Math.max(320, Math.min(560, document.documentElement.clientWidth - 24));
}

/** Shortens a name in its middle: names often differ at their ends. */
function clipped(name, most) {
  if (name.length <= most) return name;
  const tail = Math.floor((most - 1) / 2);
  return `${name.slice(0, most - 1 - tail)}\u2026${name.slice(name.length - tail)}`;
}

function plotFigure(id, title, drawing, note) {
  return h(
    'figure',
    { id },
    h('figcaption', null, title),
    drawing,
    note && h('p', { class: 'muted' }, note),
  );
}

/** Draws the interval of each variant on one scale. */
function plotIntervals(comparison) {
  const lines = comparison.variants.filter((line) => isNumber(line.mean));
  if (!lines.length) return null;
  const width = plotWidth();
  const [step, left, top] = [24, width < 480 ? 110 : 160, 8];
  const height = top + lines.length * step + 26;
  const bounds = rangeOf(comparison);
  const place = linear(bounds, [left, width - 16]);
  const base = lines.find((line) => line.name === comparison.baseline);
  const parts = axis(bounds, place, top, height - 26, figure);
  if (base) {
    const at = place(base.mean);
    parts.push(s('line', { class: 'reference', x1: at, x2: at, y1: top, y2: height - 26 }));
  }
  lines.forEach((line, row) => {
    const y = top + row * step + step / 2;
    const kind = comparison.best_set.includes(line.name) ? 'of-best' : 'of-others';
    const group = s(
      'g',
      { class: kind },
      s('title', null, `${line.name}: ${figure(line.mean)} ${range(line.ci_low, line.ci_high, 4)}`),
      s(
        'text',
        { class: 'label', x: left - 10, y: y + 4, 'text-anchor': 'end' },
        clipped(line.name, width < 480 ? 13 : 19),
      ),
    );
    if (isNumber(line.ci_low)) {
      const [low, high] = [place(line.ci_low), place(line.ci_high)];
      group.append(s('line', { class: 'interval', x1: low, x2: high, y1: y, y2: y }));
      for (const end of [low, high])
        group.append(s('line', { class: 'interval', x1: end, x2: end, y1: y - 4, y2: y + 4 }));
    }
    group.append(s('circle', { class: 'mean', cx: place(line.mean), cy: y, r: 4.5 }));
    parts.push(group);
  });
  const told = `${comparison.metric}: means and intervals of ${plural(lines.length, 'variant')}; the figures are in the matrix`;
  const drawing = s(
    'svg',
    { class: 'plot', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': told },
    parts,
  );
  const percentText = `${Number((comparison.confidence * 100).toFixed(2))} %`;
  return plotFigure(
    'plot-intervals',
    `${comparison.metric}, with ${percentText} intervals`,
    drawing,
    'Filled: cannot be told apart from the best mean. Dashed: the baseline\u2019s mean. Whether two variants differ is in the paired intervals of the matrix.',
  );
}

function axis(bounds, place, top, bottom, write) {
  return ticks(bounds, 5).map((value) =>
    s(
      'g',
      { class: 'tick' },
      s('line', { x1: place(value), x2: place(value), y1: top, y2: bottom }),
      s('text', { x: place(value), y: bottom + 16, 'text-anchor': 'middle' }, write(value)),
    ),
  );
}

/** Draws scores against what they take, with the variants that no other beats in both. */
function plotPareto(comparison) {
  if (!comparison.metric) return null;
  const found = SPENT.find(([key]) => comparison.pareto[key]);
  if (!found) return null;
  const [key, title, spent, write] = found;
  const front = new Set(comparison.pareto[key]);
  const lines = comparison.variants.filter((line) => isNumber(line.mean) && isNumber(spent(line)));
  if (lines.length < 2) return null;
  const width = plotWidth();
  const [height, left, bottom] = [330, 56, 286];
  const across = extent(lines.map(spent), 0.08);
  const up = extent(
    lines.map((line) => line.mean),
    0.12,
  );
  const x = linear(across, [left, width - 16]);
  const y = linear(up, [bottom, 14]);
  const parts = axis(across, x, 14, bottom, write);
  for (const value of ticks(up, 5)) {
    parts.push(
      s(
        'g',
        { class: 'tick' },
        s('line', { x1: left, x2: width - 16, y1: y(value), y2: y(value) }),
        s('text', { x: left - 8, y: y(value) + 4, 'text-anchor': 'end' }, figure(value)),
      ),
    );
  }
  const onFront = lines.filter((line) => front.has(line.name)).sort((a, b) => spent(a) - spent(b));
  parts.push(
    s('polyline', {
      class: 'front',
      points: onFront.map((line) => `${x(spent(line))},${y(line.mean)}`).join(' '),
    }),
  );
  const labels = placedLabels(lines, front, (line) => [x(spent(line)), y(line.mean)], width);
  lines.forEach((line) => {
    const isFront = front.has(line.name);
    const [cx, cy] = [x(spent(line)), y(line.mean)];
    const mark = isFront
      ? s('circle', { class: 'mean', cx, cy, r: 5 })
      : s('path', { class: 'beaten', d: `M${cx - 4},${cy - 4}l8,8m0,-8l-8,8` });
    parts.push(
      s(
        'g',
        null,
        s('title', null, `${line.name}: ${figure(line.mean)}, ${write(spent(line))}`),
        mark,
      ),
    );
  });
  parts.push(
    ...labels,
    s(
      'text',
      { class: 'axis', x: (left + width) / 2, y: height - 6, 'text-anchor': 'middle' },
      title,
    ),
  );
  const told = `${comparison.metric} against the ${title}. Not beaten in both: ${[...front].join(', ')}`;
  const drawing = s(
    'svg',
    { class: 'plot', viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': told },
    parts,
  );
  return plotFigure(
    'plot-pareto',
    `${comparison.metric} against the ${title}`,
    drawing,
    'Dots on the line: no other variant is better in one and at least as good in the other. Crosses: some other variant is.',
  );
}

/** Labels points where they overlap no other label, those on the front first; the rest have titles only. */
function placedLabels(lines, front, at, width) {
  const taken = lines.map((line) => {
    const [x, y] = at(line);
    return { left: x - 6, right: x + 6, base: y + 4 };
  });
  const labels = [];
  const order = [...lines].sort((a, b) => front.has(b.name) - front.has(a.name));
  for (const line of order) {
    const [x, y] = at(line);
    const text = clipped(line.name, 26);
    const size = text.length * 7.2;
    const inside = Math.max(size / 2 + LABELS_LEFT, Math.min(x, width - size / 2 - 2));
    const spots = [
      { at: x + 9, left: x + 9, base: y + 4, anchor: 'start' },
      { at: x - 9, left: x - 9 - size, base: y + 4, anchor: 'end' },
      { at: inside, left: inside - size / 2, base: y - 10, anchor: 'middle' },
      { at: inside, left: inside - size / 2, base: y + 20, anchor: 'middle' },
    ];
    const free = spots.find(
      ({ left, base }) =>
        left >= LABELS_LEFT &&
        left + size < width &&
        base > 12 &&
        base < 284 &&
        !taken.some(
          (one) => left < one.right && left + size > one.left && Math.abs(base - one.base) < 12,
        ),
    );
    if (!free) continue;
    taken.push({ left: free.left, right: free.left + size, base: free.base });
    const kind = front.has(line.name) ? 'label' : 'label muted';
    labels.push(
      s('text', { class: kind, x: free.at, y: free.base, 'text-anchor': free.anchor }, text),
    );
  }
  return labels;
}
