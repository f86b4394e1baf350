// The last runs of this page, for comparing: each one's curve, name and colour. No DOM.

import { History } from "./history.js";

export const MOST_RUNS = 5;

/** @typedef {{run: string, label: string, history: History, colour: string, shown: boolean}} Shelved */

export class Runs {
  constructor() {
    /** @type {Shelved[]} the newest last */
    this.all = [];
    this.begun = 0;
  }

  /** @returns {Shelved | undefined} */
  get current() {
    return this.all.at(-1);
  }

  /** @param {string} run @param {string} label */
  begin(run, label) {
    const known = this.all.findIndex((one) => one.run === run);
    if (known >= 0) {
      this.all.push(...this.all.splice(known, 1));
      return;
    }
    this.begun += 1;
    this.all.push({ run, label: `${this.begun}. ${label}`, history: new History(), colour: `--run-${this.begun % MOST_RUNS}`, shown: true });
    if (this.all.length > MOST_RUNS) this.all.shift();
  }

  /** A finished one beside the others; the current one stays the last. @param {string} run @param {string} label @param {import("./history.js").Point[]} points */
  add(run, label, points) {
    this.toggle(run, true);
    const known = this.all.find((one) => one.run === run);
    if (known && known.history.points.length < points.length) known.history.points = [...points]; // this page has not seen all of it
    if (known) return;
    const current = this.all.pop();
    this.begin(run, label);
    this.all[this.all.length - 1].history.points = [...points];
    if (current) this.all.push(current);
    if (this.all.length > MOST_RUNS) this.all.shift();
  }

  /** @param {string} run @param {boolean} shown */
  toggle(run, shown) {
    for (const one of this.all) if (one.run === run) one.shown = shown;
  }

  get visible() {
    return this.all.filter((one) => one.shown || one === this.current);
  }

  clear() {
    this.all = [];
  }
}
