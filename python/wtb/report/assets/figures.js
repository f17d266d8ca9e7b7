// Scales and small drawings.

/** Maps values to places. */
function linear([low, high], [from, to]) {
  const span = high - low;
  return (value) => from + (to - from) * (span ? (value - low) / span : 0.5);
}

/** Returns the least and the largest of some values, with some room; `[0, 1]` of none. */
function extent(values, room = 0) {
  const found = values.filter(isNumber);
  if (!found.length) return [0, 1];
  let low = found.reduce((least, one) => Math.min(least, one));
  let high = found.reduce((most, one) => Math.max(most, one));
  const margin = (high - low) * room || Math.abs(high) * room || room;
  low -= margin;
  high += margin;
  return [low, high];
}

/** Returns round values within a range. */
function ticks([low, high], wanted) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at += 1) {
    found.push(Number((at * step).toPrecision(12)));
  }
  return found;
}

/** The range of all means and interval ends of a comparison. */
function rangeOf(comparison) {
  const lines = comparison.variants;
  return extent(
    lines.flatMap((one) => [one.mean, one.ci_low, one.ci_high]),
    0.02,
  );
}

/** Draws an interval with its mean on the scale of the comparison, and the baseline's mean. */
function drawInterval(line, range, baseline, width = 120) {
  const place = linear(range, [6, width - 6]);
  const parts = [];
  if (isNumber(baseline)) {
    const at = place(baseline);
    parts.push(s('line', { class: 'reference', x1: at, x2: at, y1: 0, y2: 16 }));
  }
  if (isNumber(line.ci_low)) {
    const [low, high] = [place(line.ci_low), place(line.ci_high)];
    parts.push(s('line', { class: 'interval', x1: low, x2: high, y1: 8, y2: 8 }));
    for (const end of [low, high]) {
      parts.push(s('line', { class: 'interval', x1: end, x2: end, y1: 4, y2: 12 }));
    }
  }
  if (isNumber(line.mean)) {
    parts.push(s('circle', { class: 'mean', cx: place(line.mean), cy: 8, r: 3.5 }));
  }
  return s(
    'svg',
    { class: 'drawn', width, height: 16, viewBox: `0 0 ${width} 16`, 'aria-hidden': 'true' },
    parts,
  );
}
