// The controls beside the code: what they show is read from the code, and what a person sets is written into it.

import { element, say } from "./elements.js";
import { changeOf, OPTIMIZERS, placeOf } from "./knob_code.js";
import { t } from "./strings.js";

/** @type {("width" | "lr" | "batch" | "optimizer")[]} */
const KNOBS = ["width", "lr", "batch", "optimizer"];
const MISSING = { width: "width = 32", lr: "lr=0.01", batch: "batch_size = 64", optimizer: "optim.SGD(...)" };

export class Knobs {
  /** @param {import("./editor.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.locked = false;
    for (const knob of KNOBS) control(knob).addEventListener("change", () => this.turn(knob));
    for (const name of OPTIMIZERS.keys()) /** @type {HTMLSelectElement} */ (control("optimizer")).add(new Option(name, name));
    editor.onChange(() => this.read());
  }

  /** Shows what the code says. */
  read() {
    const missing = [];
    for (const knob of KNOBS) {
      const node = control(knob);
      const place = placeOf(this.editor.code, knob);
      node.disabled = this.locked || place === null;
      if (place === null) missing.push(MISSING[knob]);
      const text = place?.text ?? "";
      if (node instanceof HTMLSelectElement && text && ![...node.options].some((one) => one.value === text)) node.add(new Option(text, text));
      if (document.activeElement !== node || node.value === "" || Number(node.value) !== Number(text)) node.value = text;
    }
    say("knob-note", missing.length ? t("Not in this code, so without a control: {lines}", { lines: missing.join(", ") }) : "");
  }

  /** @param {boolean} locked */
  lock(locked) {
    if (this.locked === locked) return;
    this.locked = locked;
    this.read();
  }

  /** @param {"width" | "lr" | "batch" | "optimizer"} knob */
  turn(knob) {
    const node = control(knob);
    if (node.value === "" || !node.reportValidity() || (knob === "lr" && !(Number(node.value) > 0))) return this.read();
    const change = changeOf(this.editor.code, knob, node.value);
    if (change !== null) this.editor.replace(change.from, change.to, change.text);
  }
}

/** @param {string} knob */
function control(knob) {
  return /** @type {HTMLInputElement | HTMLSelectElement} */ (element(`knob-${knob}`));
}
