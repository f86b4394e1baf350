// The numbers of a recipe that have a control: where they stand in its Python, and how the text changes with them. Pure.

/**
 * @typedef {{from: number, to: number, text: string}} Place  a piece of the code
 * @typedef {"width" | "lr" | "batch" | "optimizer"} Knob
 */

/** What `optim.NAME(parameters, ...)` is given when a person picks another optimizer: a learning rate that suits it. */
export const OPTIMIZERS = new Map([
  ["SGD", "lr=0.1, momentum=0.9"],
  ["Adam", "lr=0.003"],
  ["AdamW", "lr=0.003"],
  ["RMSprop", "lr=0.003"],
  ["Adagrad", "lr=0.05"],
]);

/** @type {Record<Knob, RegExp>} each finds its text in group 1 */
const PLACES = {
  width: /^[ \t]+width(?:[ \t]*:[ \t]*int)?[ \t]*=[ \t]*(\d+)/dm,
  batch: /^[ \t]+batch_size(?:[ \t]*:[ \t]*int)?[ \t]*=[ \t]*(\d+)/dm,
  lr: /\boptim\.\w+\([^\n]*?\blr[ \t]*=[ \t]*([\d.eE+-]+)/d,
  optimizer: /\boptim\.(\w+)\(/d,
};

/** Where a knob stands; null when this code has none. @param {string} code @param {Knob} knob @returns {Place | null} */
export function placeOf(code, knob) {
  const found = /** @type {any} */ (PLACES[knob].exec(code));
  if (found === null) return null;
  const [from, to] = found.indices[1];
  return { from, to, text: found[1] };
}

/** The change that gives a knob another value. @param {string} code @param {Knob} knob @param {string} value @returns {Place | null} */
export function changeOf(code, knob, value) {
  const place = placeOf(code, knob);
  if (place === null || place.text === value) return null;
  if (knob !== "optimizer") return { ...place, text: value };
  const end = closing(code, place.to);
  const first = /^\(\s*([\w.]+(?:\(\))?)/.exec(code.slice(place.to))?.[1] ?? "parameters";
  return { from: place.from, to: end, text: `${value}(${first}, ${OPTIMIZERS.get(value) ?? "lr=0.01"})` };
}

/** Just after the bracket that closes the one at `open`. @param {string} code @param {number} open */
function closing(code, open) {
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if (code[at] === "(") depth += 1;
    if (code[at] === ")" && --depth === 0) return at + 1;
  }
  return code.length;
}
