// The step a run is at, with the number of all of them set smaller beside it.

import { t } from "./strings.js";
import * as words from "./words.js";

/** @param {HTMLElement} node @param {{step: number | null, steps: number | null}} status */
export function sayStep(node, { step, steps }) {
  const of = steps ? t(" of {n}", { n: words.count(steps) }) : "";
  if (node.textContent === words.count(step) + of) return;
  const small = document.createElement("small");
  small.textContent = of;
  node.replaceChildren(words.count(step), small);
}
