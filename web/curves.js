// The loss and accuracy charts: several runs laid over each other, smoothed or logarithmic as people like, and their table.

import { Chart } from "./chart.js";
import { element, mark, say } from "./elements.js";
import { t } from "./strings.js";
import * as words from "./words.js";

const LAST_ROWS = 24;
const LEAST_MS = 110; // between two drawings: nine a second are more than enough
const SOON_MS = 20;
const IDLE_MS = 1000; // what has no new number is drawn so often all the same, as its axis grows
const LABEL_MS = 1000; // nobody hears a chart more often, and each change has the browser look at the whole page

/** @typedef {import("./runs.js").Shelved} Shelved */

export class Curves {
  /** @param {import("./runs.js").Runs} runs */
  constructor(runs) {
    this.runs = runs;
    this.drawnAt = 0;
    this.accuracyAt = 0;
    this.evaluated = "";
    this.timer = 0;
    this.labelTimer = 0;
    /** What else is to be drawn can be drawn now: the browser paints once for both. */
    this.onDraw = () => {};
    this.loss = new Chart({ box: element("loss-chart"), format: (value) => String(+value.toPrecision(3)), range: (_, most) => [0, most > 0 ? most * 1.05 : 1] });
    this.accuracy = new Chart({ box: element("accuracy-chart"), format: (value) => `${Math.round(value * 100)} %`, range: () => [0, 1.02] });
    this.log = /** @type {HTMLInputElement} */ (element("log-scale"));
    this.smoothing = /** @type {HTMLInputElement} */ (element("smoothing"));
    for (const node of [this.log, this.smoothing]) node.addEventListener("input", () => this.draw());
    element("table").addEventListener("toggle", () => this.draw());
    this.keys = "";
  }

  /** Draws soon: not more often than the eye needs. */
  changed() {
    const drawn = () => {
      this.draw(false);
      this.onDraw();
    };
    this.timer ||= setTimeout(drawn, Math.max(SOON_MS, this.drawnAt + LEAST_MS - performance.now()));
  }

  /** @param {boolean} all  also what may be as it was: accuracies change only when a run was evaluated */
  draw(all = true) {
    clearTimeout(this.timer);
    this.timer = 0;
    this.drawnAt = performance.now();
    const shown = this.runs.visible;
    const several = shown.length > 1;
    const smoothing = Number(this.smoothing.value);
    this.loss.show(...joined(shown, (run) => lossLines(run, several, smoothing)), this.log.checked);
    const evaluated = shown.map(({ run, history }) => `${run} ${history.evaluated}`).join();
    if (all || evaluated !== this.evaluated || this.drawnAt - this.accuracyAt >= IDLE_MS) {
      Object.assign(this, { evaluated, accuracyAt: this.drawnAt });
      this.accuracy.show(...joined(shown, (run) => accuracyLines(run, several)));
    }
    this.showKeys();
    this.labelTimer ||= setTimeout(() => this.label(), LABEL_MS);
    this.table();
  }

  label() {
    this.labelTimer = 0;
    const points = this.runs.current?.history.points ?? [];
    const last = points.at(-1);
    const evaluated = points.findLast((point) => point.val_loss !== null);
    const loss = last && t("Loss chart. At step {step}: training {loss}, validation {val}.", { step: last.step, loss: words.loss(last.loss), val: words.loss(evaluated?.val_loss) });
    const accuracy = evaluated && t("Accuracy chart. At step {step}: training {train}, validation {val}.", { step: evaluated.step, train: words.percent(evaluated.train_accuracy), val: words.percent(evaluated.accuracy) });
    mark(element("loss-chart"), "aria-label", loss ?? t("Loss chart, empty"));
    mark(element("accuracy-chart"), "aria-label", accuracy ?? t("Accuracy chart, empty"));
  }

  /** A key for each run, with which it is shown or hidden; one alone needs none. */
  showKeys() {
    const keys = JSON.stringify(this.runs.all.map(({ run, label, shown }) => [run, label, shown]));
    if (keys === this.keys) return;
    this.keys = keys;
    const several = this.runs.all.length > 1;
    element("run-keys").replaceChildren(...(several ? this.runs.all.map((run) => this.key(run)) : []));
  }

  /** @param {Shelved} run */
  key(run) {
    const item = document.createElement("li");
    const label = document.createElement("label");
    label.className = "check";
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = run.shown;
    box.disabled = run === this.runs.current;
    box.addEventListener("change", () => {
      this.runs.toggle(run.run, box.checked);
      this.draw();
    });
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = `var(${run.colour})`;
    label.append(box, swatch, run.label);
    item.append(label);
    return item;
  }

  table() {
    if (!(/** @type {HTMLDetailsElement} */ (element("table")).open)) return;
    const points = this.runs.current?.history.sample(LAST_ROWS) ?? [];
    const rows = points.map((point) => {
      const row = document.createElement("tr");
      for (const text of [words.count(point.step), words.loss(point.loss), words.loss(point.val_loss), words.percent(point.train_accuracy), words.percent(point.accuracy)]) {
        row.insertCell().textContent = text;
      }
      return row;
    });
    element("table-rows").replaceChildren(...rows);
  }
}

/** @typedef {{line: import("./chart.js").Line, column: (number | null)[]}} Drawn */

/** @param {Shelved} run @param {boolean} several @param {number} smoothing @returns {Drawn[]} */
function lossLines({ history, label, colour }, several, smoothing) {
  const loss = history.column("loss");
  const train = { label, colour: several ? colour : "--accent", dots: false };
  const raw = smoothing > 0 ? [{ line: { ...train, faint: true }, column: loss }] : [];
  return [...raw, { line: train, column: smoothed(loss, smoothing) }, { line: { label, colour: several ? colour : "--valid", dots: true }, column: history.column("val_loss") }];
}

/** @param {Shelved} run @param {boolean} several @returns {Drawn[]} */
function accuracyLines({ history, label, colour }, several) {
  return [
    { line: { label, colour: several ? colour : "--accent", dots: true, faint: several }, column: history.column("train_accuracy") },
    { line: { label, colour: several ? colour : "--valid", dots: true }, column: history.column("accuracy") },
  ];
}

/**
 * All runs' lines over one axis of steps, as uPlot wants them.
 * @param {Shelved[]} runs @param {(run: Shelved) => Drawn[]} linesOf @returns {[import("./chart.js").Line[], (number | null)[][]]}
 */
export function joined(runs, linesOf) {
  const steps = [...new Set(runs.flatMap((run) => run.history.steps()))].sort((a, b) => a - b);
  const lines = [];
  const data = [/** @type {(number | null)[]} */ (steps)];
  for (const run of runs) {
    const places = new Map(run.history.steps().map((step, at) => [step, at]));
    for (const { line, column } of linesOf(run)) {
      lines.push(line);
      data.push(steps.map((step) => (places.has(step) ? (column[/** @type {number} */ (places.get(step))] ?? null) : null)));
    }
  }
  return [lines, data];
}

/** Exponential moving average that begins without a bias (as TensorBoard's). @param {(number | null)[]} column @param {number} weight */
export function smoothed(column, weight) {
  if (weight <= 0) return column;
  let last = 0;
  let seen = 0;
  return column.map((value) => {
    if (value === null) return null;
    seen += 1;
    last = last * weight + (1 - weight) * value;
    return last / (1 - weight ** seen);
  });
}
