// The page's elements by id, and the two ways to change one: its text, and whether it is shown.

/** @template {HTMLElement} [T=HTMLElement] @param {string} id @returns {T} */
export function element(id) {
  return /** @type {T} */ (document.getElementById(id));
}

/** Only real changes touch the document: nothing to lay out, nothing for a screen reader to repeat. @param {string} id @param {string} text */
export function say(id, text) {
  const node = element(id);
  if (node.textContent !== text) node.textContent = text;
}

/** @param {string} id @param {boolean} shown */
export function show(id, shown) {
  element(id).hidden = !shown;
}
