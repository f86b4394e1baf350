// Every sentence of the page in the language a person chose. English is the key; a table per language holds the rest.

/** @type {Record<string, () => Promise<{STRINGS: Record<string, string>}>>} */
const TABLES = { ja: () => import("./strings/ja.js") };
const ATTRIBUTES = ["aria-label", "placeholder", "title"];
const KEPT = "distml.language";

/** @type {Record<string, string>} */
let table = {};
/** @type {WeakMap<Node, string>} the English that stood in a text node when the page was loaded */
const english = new WeakMap();

/** A sentence; {name} in it is replaced by values.name. @param {string} text @param {Record<string, string | number>} [values] */
export function t(text, values = {}) {
  return (table[text] ?? text).replaceAll(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Fetches the tables of all languages, for a time without a network. */
export function fetchTables() {
  for (const load of Object.values(TABLES)) load().catch(() => {}); // it is tried again when somebody picks the language
}

/** The language of this browser, or the one chosen before. */
export function chosenLanguage() {
  const wanted = kept() ?? navigator.language.slice(0, 2);
  return wanted in TABLES ? wanted : "en";
}

/** @param {string} language */
export async function useLanguage(language) {
  table = language in TABLES ? (await TABLES[language]()).STRINGS : {};
  document.documentElement.lang = language in TABLES ? language : "en";
  translate(document.body);
  try {
    localStorage.setItem(KEPT, language);
  } catch {
    // storage is switched off: the next visit begins with the browser's language
  }
}

/** Puts the page's own sentences below a node into the language. What lies in [data-raw] is not ours. @param {Node} root */
export function translate(root) {
  const walk = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT, (node) =>
    node instanceof Element && node.hasAttribute("data-raw") && node !== root ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_ACCEPT,
  );
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    if (node instanceof Element) translateAttributes(node);
    else translateText(/** @type {Text} */ (node));
  }
}

/** @param {Text} node */
function translateText(node) {
  const known = english.get(node) ?? node.data;
  const text = known.trim();
  if (!text) return;
  english.set(node, known);
  const next = known.replace(text, () => t(text));
  if (node.data !== next) node.data = next;
}

/** @param {Element} node */
function translateAttributes(node) {
  for (const name of ATTRIBUTES) {
    const value = node.getAttribute(name);
    if (!value) continue;
    const key = `data-english-${name}`;
    const known = node.getAttribute(key) ?? value;
    if (t(known) === value) continue;
    node.setAttribute(key, known);
    node.setAttribute(name, t(known));
  }
}

function kept() {
  try {
    return localStorage.getItem(KEPT);
  } catch {
    return null;
  }
}
