// The page's elements by id, and the ways to change one: its text, an attribute, and whether it is shown.
// Only real changes touch the document: nothing to lay out, nothing to paint, nothing for a screen reader to repeat.

/** @template {HTMLElement} [T=HTMLElement] @param {string} id @returns {T} */
export function element(id) {
  return /** @type {T} */ (document.getElementById(id));
}

/** @param {string} id @param {string} text */
export function say(id, text) {
  write(element(id), text);
}

/** @param {Element} node @param {string} text */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} node @param {string} attribute @param {string} value */
export function mark(node, attribute, value) {
  if (node.getAttribute(attribute) !== value) node.setAttribute(attribute, value);
}

/** @param {string} id @param {boolean} shown */
export function show(id, shown) {
  const node = element(id);
  if (node.hidden === shown) node.hidden = !shown;
}

/** @param {string} id  of a control @param {boolean} enabled */
export function enable(id, enabled) {
  const node = /** @type {HTMLButtonElement} */ (element(id));
  if (node.disabled === enabled) node.disabled = !enabled;
}
