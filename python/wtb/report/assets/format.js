// Figures as text, as `wtb compare` writes them.

const NONE = '\u2013';

/** Returns how many decimals the figures of a column deserve. */
function decimalsOf(values) {
  const sizes = values.filter((one) => Number.isFinite(one)).map(Math.abs);
  const largest = sizes.reduce((most, one) => Math.max(most, one), 0);
  if (largest < 10) return 4;
  if (largest < 100) return 3;
  return largest < 1000 ? 2 : 0;
}

function isNumber(value) {
  return typeof value === 'number' && !Number.isNaN(value);
}

function fixed(value, decimals) {
  if (!isNumber(value)) return NONE;
  const text = value.toFixed(decimals);
  return /^-[0.]+$/.test(text) ? text.slice(1) : text;
}

/** Writes a figure by itself, in as few digits as say it. */
function figure(value) {
  if (!isNumber(value)) return NONE;
  return Number.isInteger(value)
    ? value.toLocaleString('en')
    : String(Number(value.toPrecision(4)));
}

/** Writes a figure where there is room for four or five characters. */
function short(value) {
  if (!isNumber(value)) return '';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 10000) return String(value);
  if (size >= 10000 || (size > 0 && size < 0.001)) return value.toExponential(0).replace('e+', 'e');
  return value.toFixed(size < 10 ? 2 : size < 100 ? 1 : 0);
}

function signed(value, decimals) {
  const text = fixed(value, decimals);
  return isNumber(value) && value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

function range(low, high, decimals, write = fixed) {
  if (!isNumber(low) || !isNumber(high)) return NONE;
  return `[${write(low, decimals)}, ${write(high, decimals)}]`;
}

function chance(p) {
  if (!isNumber(p)) return NONE;
  return p < 0.001 ? '<.001' : p.toFixed(3);
}

function percent(share, decimals = 0) {
  return isNumber(share) ? `${(share * 100).toFixed(decimals)}%` : NONE;
}

function seconds(value) {
  if (!isNumber(value)) return NONE;
  if (value < 0.001) return `${Math.round(value * 1e6)}\u00b5s`;
  if (value < 1) return `${Math.round(value * 1e3)}ms`;
  if (value < 60) return `${value.toFixed(value < 10 ? 2 : 1)}s`;
  const minutes = Math.floor(value / 60);
  return minutes < 60
    ? `${minutes}m ${Math.round(value % 60)}s`
    : `${Math.floor(minutes / 60)}h ${minutes % 60}m`;
}

/** Writes a time with as many digits as tell ticks of an axis apart. */
function exactSeconds(value) {
  if (!isNumber(value) || value >= 60) return seconds(value);
  if (value >= 1) return `${Number(value.toPrecision(4))}s`;
  return value >= 0.001 ? `${Number((value * 1e3).toPrecision(4))}ms` : seconds(value);
}

function bytes(size) {
  if (size < 1024) return `${size} bytes`;
  return size < 1048576 ? `${(size / 1024).toFixed(1)} KiB` : `${(size / 1048576).toFixed(1)} MiB`;
}

function when(at) {
  if (!isNumber(at)) return NONE;
  return `${new Date(at * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

function plural(count, noun) {
  return `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`;
}

/** Writes JSON text with a line for each entry; the text may end anywhere. */
function indented(json) {
  let text = '';
  let depth = 0;
  const line = () => `\n${'  '.repeat(depth)}`;
  for (let at = 0; at < json.length; at += 1) {
    const letter = json[at];
    if (letter === '"') {
      let end = at + 1;
      while (end < json.length && json[end] !== '"') end += json[end] === '\\' ? 2 : 1;
      text += json.slice(at, end + 1);
      at = end;
    } else if (letter === '{' || letter === '[') {
      const isEmpty = json[at + 1] === '}' || json[at + 1] === ']';
      if (isEmpty) {
        text += json.slice(at, at + 2);
        at += 1;
      } else {
        depth += 1;
        text += letter + line();
      }
    } else if (letter === '}' || letter === ']') {
      depth -= 1;
      text += line() + letter;
    } else if (letter === ',') {
      text += letter + line();
      if (json[at + 1] === ' ') at += 1;
    } else {
      text += letter;
    }
  }
  return text;
}
