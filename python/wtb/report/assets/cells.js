// What the heat map is made of: for each variant and case what its executions say together.

const FAILED = 1;
const FLAKY = 2;
const OPEN = 4;
const ERRORS = new Set(['failed', 'timed_out']);
const UNENDED = new Set(['queued', 'running', 'paused']);
const SAME = 1e-12;

/** The executions of a batch by variant, case and repeat. */
class Grid {
  constructor(overview) {
    this.rows = overview.executions;
    this.variants = overview.variants.map(([name]) => name);
    this.cases = overview.cases;
    this.caseCount = overview.cases.id.length;
    this.members = Array.from({ length: this.variants.length * this.caseCount }, () => []);
    this.rows.id.forEach((_, at) => {
      this.members[this.place(this.rows.variant_index[at], this.rows.case_index[at])].push(at);
    });
    this.searched = this.cases.id.map((id, at) =>
      [id, this.cases.group[at] || '', ...this.cases.tags[at], this.cases.input[at]]
        .join('\n')
        .toLowerCase(),
    );
  }

  place(variant, caseIndex) {
    return variant * this.caseCount + caseIndex;
  }

  executions(variant, caseIndex) {
    return this.members[this.place(variant, caseIndex)];
  }
}

/** The cells of a grid by one metric. */
class Cells {
  constructor(grid, comparison) {
    this.grid = grid;
    this.comparison = comparison;
    this.sign = comparison.direction === 'max' ? 1 : -1;
    this.baseline = grid.variants.indexOf(comparison.baseline);
    this.scores = grid.rows.scores[comparison.metric] || grid.rows.id.map(() => null);
    const count = grid.members.length;
    this.values = new Float64Array(count).fill(NaN);
    this.flags = new Uint8Array(count);
    const zeroes = this.errorsAreZero();
    grid.members.forEach((members, at) => {
      this.fill(at, members, zeroes[Math.floor(at / grid.caseCount)]);
    });
    this.bounds = this.findBounds();
  }

  /** Whether an error counts as 0, for each variant; as the comparison counts it. */
  errorsAreZero() {
    const { rows, variants } = this.grid;
    const scored = variants.map(() => false);
    const succeeded = variants.map(() => false);
    rows.id.forEach((_, at) => {
      if (this.scores[at] !== null) scored[rows.variant_index[at]] = true;
      if (rows.status[at] === 'succeeded') succeeded[rows.variant_index[at]] = true;
    });
    const isAsked =
      this.comparison.error === 'zero' && this.sign > 0 && this.comparison.metric !== null;
    return variants.map((_, at) => isAsked && (scored[at] || !succeeded[at]));
  }

  fill(at, members, errorsAreZero) {
    const { rows } = this.grid;
    let sum = 0;
    let count = 0;
    let flags = 0;
    const seen = new Set();
    for (const one of members) {
      const isError = ERRORS.has(rows.status[one]);
      if (isError) flags |= FAILED;
      if (UNENDED.has(rows.status[one])) flags |= OPEN;
      const value = isError ? (errorsAreZero ? 0 : null) : this.scores[one];
      seen.add(isError ? 'error' : value);
      if (value === null) continue;
      sum += value;
      count += 1;
    }
    if (seen.size > 1) flags |= FLAKY;
    if (count) this.values[at] = sum / count;
    this.flags[at] = flags;
  }

  /** The values between which colours are spread. */
  findBounds() {
    let low = Infinity;
    let high = -Infinity;
    for (const value of this.values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    if (low > high) return [0, 1];
    return low >= 0 && high <= 1 ? [0, 1] : [low, high];
  }

  /** Returns how good a value is: 0 is the worst, 1 the best that there is. */
  goodness(value) {
    const [low, high] = this.bounds;
    const share = high > low ? (value - low) / (high - low) : 0.5;
    return this.sign > 0 ? share : 1 - share;
  }

  value(variant, caseIndex) {
    return this.values[this.grid.place(variant, caseIndex)];
  }

  has(variant, caseIndex, flag) {
    return (this.flags[this.grid.place(variant, caseIndex)] & flag) !== 0;
  }

  /** Returns by how much a cell is better than the baseline's; negative where it is worse. */
  gain(variant, caseIndex) {
    if (this.baseline < 0 || variant === this.baseline) return 0;
    const difference = this.value(variant, caseIndex) - this.value(this.baseline, caseIndex);
    if (!Number.isNaN(difference)) return Math.abs(difference) < SAME ? 0 : this.sign * difference;
    // A score is missing: only where one of them failed there is something to tell.
    const [own, other] = [variant, this.baseline].map((one) => this.has(one, caseIndex, FAILED));
    return own === other ? 0 : own ? -Infinity : Infinity;
  }

  isDifferent(caseIndex) {
    let first = null;
    for (let variant = 0; variant < this.grid.variants.length; variant += 1) {
      if (!this.grid.executions(variant, caseIndex).length) continue;
      const failed = this.has(variant, caseIndex, FAILED);
      const value = this.value(variant, caseIndex);
      if (first === null) first = { failed, value };
      const isSame = Number.isNaN(value)
        ? Number.isNaN(first.value)
        : Math.abs(value - first.value) < SAME;
      if (failed !== first.failed || !isSame) return true;
    }
    return false;
  }

  /** Whether a cell is what a filter asks for. */
  fits(mode, variant, caseIndex) {
    if (mode === 'failures') return this.has(variant, caseIndex, FAILED);
    if (mode === 'flaky') return this.has(variant, caseIndex, FLAKY);
    if (mode === 'regressions') return this.gain(variant, caseIndex) < 0;
    return this.gain(variant, caseIndex) > 0;
  }

  /** Returns in how many cases a variant is what a filter asks for. */
  count(mode, variant) {
    let count = 0;
    for (let at = 0; at < this.grid.caseCount; at += 1) count += this.fits(mode, variant, at);
    return count;
  }

  /** Returns the cases to show, in order. */
  select({ mode, variant, text, sort }) {
    const variants = variant === null ? this.grid.variants.map((_, at) => at) : [variant];
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    for (let at = 0; at < this.grid.caseCount; at += 1) {
      if (!words.every((word) => this.grid.searched[at].includes(word))) continue;
      if (mode === 'different' && !this.isDifferent(at)) continue;
      if (
        mode !== 'all' &&
        mode !== 'different' &&
        !variants.some((one) => this.fits(mode, one, at))
      )
        continue;
      found.push(at);
    }
    return this.sorted(found, sort, variants);
  }

  sorted(cases, sort, variants) {
    if (sort === 'order') return cases;
    const key = new Map(
      cases.map((at) => [
        at,
        sort === 'regressions'
          ? Math.min(0, ...variants.map((one) => this.gain(one, at)))
          : this.meanGoodness(at, variants),
      ]),
    );
    const direction = sort === 'best' ? -1 : 1;
    const compared = (a, b) => {
      const [one, other] = [key.get(a), key.get(b)];
      if (one === other) return a - b;
      return direction * (one < other ? -1 : 1);
    };
    return [...cases].sort(compared);
  }

  meanGoodness(caseIndex, variants) {
    const found = variants
      .map((one) => this.value(one, caseIndex))
      .filter((one) => !Number.isNaN(one));
    if (!found.length) return -1;
    return this.goodness(found.reduce((sum, one) => sum + one, 0) / found.length);
  }
}
