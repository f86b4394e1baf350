// One uPlot chart in the page's own colours, resized with its box. What is drawn in it is others' business.

import { colour, onTheme } from "./theme.js";
import uPlot from "./vendor/uPlot.esm.js";

const MOST_DOTS = 40; // of a line: more of them hide it
const Plot = /** @type {any} */ (uPlot); // the vendored file has no types

/**
 * @typedef {object} Line
 * @property {string} label
 * @property {string} colour  the name of a CSS custom property
 * @property {boolean} dots   few points, worth marking each
 * @property {boolean} [faint] an older run's, or the raw numbers behind a smoothed line
 * @typedef {object} Options
 * @property {HTMLElement} box
 * @property {(value: number) => string} format
 * @property {(least: number, most: number) => [number, number]} range
 */

export class Chart {
  /** @param {Options} options */
  constructor(options) {
    this.options = options;
    /** @type {Line[]} */
    this.lines = [];
    /** @type {(number | null)[][]} */
    this.data = [[]];
    this.log = false;
    this.draw();
    new ResizeObserver(() => this.fit()).observe(options.box);
    onTheme(() => this.draw());
  }

  /** @param {Line[]} lines @param {(number | null)[][]} data  the steps, then a column for each line @param {boolean} log */
  show(lines, data, log = false) {
    const same = log === this.log && JSON.stringify(lines) === JSON.stringify(this.lines);
    Object.assign(this, { lines, data, log });
    if (same) this.plot.setData(data);
    else this.draw();
  }

  /** Builds the plot anew: uPlot reads its colours and scales once. */
  draw() {
    const { box, format, range } = this.options;
    const axis = {
      stroke: colour("--quiet"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
    };
    const few = (/** @type {any} */ plot, /** @type {number} */ line) => plot.data[line].filter((/** @type {unknown} */ one) => one !== null).length <= MOST_DOTS;
    /** @typedef {number | null} Edge */
    const x = (/** @type {unknown} */ _, /** @type {Edge} */ least, /** @type {Edge} */ most) => [least ?? 0, Math.max(most ?? 0, (least ?? 0) + 10)];
    const y = (/** @type {unknown} */ _, /** @type {Edge} */ least, /** @type {Edge} */ most) => range(least ?? 0, most ?? 1);
    const decades = (/** @type {unknown} */ _, /** @type {Edge} */ least, /** @type {Edge} */ most) => [Math.max(least || 0.1, 1e-6) / 1.5, Math.max(most || 1, 1e-5) * 1.5];
    this.plot?.destroy();
    /** @type {any} */
    this.plot = new Plot(
      {
        ...this.size(),
        padding: [12, 22, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, range: x }, y: this.log ? { distr: 3, range: decades } : { range: y } },
        axes: [
          { ...axis, size: 28, space: 60 },
          { ...axis, size: 50, space: 36, values: (/** @type {unknown} */ _, /** @type {(number | null)[]} */ ticks) => ticks.map((one) => (one === null ? "" : format(one))) },
        ],
        series: [
          {},
          ...this.lines.map((line) => ({
            label: line.label,
            stroke: colour(line.colour),
            alpha: line.faint ? 0.35 : 1,
            width: line.dots ? 2.5 : 1.75,
            spanGaps: true,
            points: { show: line.dots && few, size: 6, fill: colour(line.colour) },
          })),
        ],
      },
      this.data,
      box,
    );
  }

  size() {
    return { width: Math.max(120, this.options.box.clientWidth), height: this.options.box.clientHeight || 200 };
  }

  fit() {
    this.plot.setSize(this.size());
  }
}
