// One uPlot chart in the page's own colours, resized with its box, and the words that say the same to a screen reader.

import uPlot from "./vendor/uPlot.esm.js";

const Plot = /** @type {any} */ (uPlot); // the vendored file has no types

/**
 * @typedef {object} Line
 * @property {string} label
 * @property {string} colour  the name of a CSS custom property
 * @property {boolean} dots   few points, worth marking each
 * @typedef {object} Options
 * @property {HTMLElement} box
 * @property {Line[]} lines
 * @property {(value: number) => string} format
 * @property {(least: number, most: number) => [number, number]} range
 */

export class Chart {
  /** @param {Options} options */
  constructor(options) {
    this.options = options;
    /** @type {(number | null)[][]} */
    this.data = [[], ...options.lines.map(() => [])];
    this.draw();
    new ResizeObserver(() => this.fit()).observe(options.box);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** @param {number[]} steps @param {(number | null)[][]} columns */
  show(steps, columns) {
    this.data = [steps, ...columns];
    this.plot.setData(this.data);
  }

  /** Builds the plot anew: uPlot reads its colours once. */
  draw() {
    const { box, lines, format, range } = this.options;
    const style = getComputedStyle(document.documentElement);
    /** @param {string} name */
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--quiet"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
    };
    this.plot?.destroy();
    /** @type {any} */
    this.plot = new Plot(
      {
        ...this.size(),
        padding: [12, 12, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, range: (/** @type {unknown} */ _, /** @type {number | null} */ least, /** @type {number | null} */ most) => [least ?? 0, Math.max(most ?? 0, (least ?? 0) + 10)] },
          y: { range: (/** @type {unknown} */ _, /** @type {number | null} */ least, /** @type {number | null} */ most) => range(least ?? 0, most ?? 1) },
        },
        axes: [
          { ...axis, size: 28, space: 60 },
          { ...axis, size: 46, space: 36, values: (/** @type {unknown} */ _, /** @type {number[]} */ ticks) => ticks.map(format) },
        ],
        series: [
          {},
          ...lines.map((line) => ({
            label: line.label,
            stroke: colour(line.colour),
            width: line.dots ? 2.5 : 1.5,
            spanGaps: true,
            points: { show: line.dots, size: 6, fill: colour(line.colour) },
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
