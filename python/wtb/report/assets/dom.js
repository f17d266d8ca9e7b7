// Elements. What users wrote becomes text nodes and attributes here, and never markup.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined) continue;
    if (name.startsWith('aria-')) element.setAttribute(name, String(value));
    else if (value === false) continue;
    else if (name === 'on') {
      for (const [kind, handler] of Object.entries(value)) element.addEventListener(kind, handler);
    } else {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  element.append(
    ...children.flat(9).filter((one) => one !== null && one !== undefined && one !== false),
  );
  return element;
}

/** Makes an element; strings among its children are text. */
function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Makes an element of SVG. */
function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** Returns a name as text that may be broken behind the signs that join its parts. */
function breakable(name) {
  return name.split(/(?<=[=,/_-])/).flatMap((part, at) => (at ? [h('wbr'), part] : [part]));
}

/** Makes a button that does something. */
function button(label, action, attributes) {
  return h('button', { type: 'button', ...attributes, on: { click: action } }, label);
}

/** Makes a choice among options of `[value, text]`. */
function choice(label, options, chosen, action) {
  const items = options.map(([value, text]) =>
    h('option', { value, selected: value === chosen }, text),
  );
  const select = h('select', { on: { change: () => action(select.value) } }, items);
  return h('label', { class: 'choice' }, h('span', null, label), select);
}

/** Tells people who listen what has changed. */
function announce(text) {
  const place = document.getElementById('news');
  if (place) place.textContent = text;
}
