// The panel that looks into the model: which views it has, one at a time, asked anew while it trains.

import { element, say, show } from "./elements.js";
import { CONFUSION, MISTAKES, SAMPLES } from "./look_classes.js";
import { ANSWER } from "./look_draw.js";
import { AGAIN, FILTERS, TEXT } from "./look_made.js";
import { BOUNDARY, CURVE } from "./look_plane.js";
import { isActive } from "./status.js";
import { t } from "./strings.js";
import * as words from "./words.js";

const EVERY_MS = 1000;
const FAILED_MS = 3000;
const REST = 4; // an answer that takes long is asked for less often: four fifths of the time belong to training

/**
 * @typedef {{kind: string, views: string[], classes: string[], shape: number[], parameters: number, samples: Record<string, number>}} About
 * @typedef {object} Looker  what a view may use
 * @property {HTMLElement} box
 * @property {About} about
 * @property {(view: string, options?: object) => Promise<any>} look
 * @property {() => void} again  ask for this view anew, now
 * @typedef {object} LookView
 * @property {string} title
 * @property {boolean} [asks]  it asks when a person does something, and not by itself
 * @property {(looker: Looker) => {options?: () => object, show: (found: any) => void}} open
 */

/** @type {Record<string, LookView>} */
const VIEWS = { boundary: BOUNDARY, curve: CURVE, text: TEXT, again: AGAIN, confusion: CONFUSION, samples: SAMPLES, mistakes: MISTAKES, answer: ANSWER, filters: FILTERS };

export class Looking {
  /** @param {import("./status.js").Knowledge} known @param {import("./engine.js").Engine} engine */
  constructor(known, engine) {
    this.known = known;
    this.engine = engine;
    /** @type {About | null} */
    this.about = null;
    this.seen = "";
    /** @type {string} */
    this.view = "";
    /** @type {{options?: () => object, show: (found: any) => void} | null} */
    this.opened = null;
    this.asking = false;
    this.again = false;
    this.timer = 0;
    element("look-tabs").addEventListener("keydown", (event) => this.arrow(event));
  }

  /** Called after every change of what is known. */
  draw() {
    const { working, report, engine, train } = this.known;
    if (engine.phase !== "ready" || train === "preparing") return;
    const state = this.known.coordinator?.state;
    const first = report?.state === "training" && report.loss === null && state !== "paused"; // a look would hold up the first loss by a second
    if (working !== null && report !== null && report.step !== null && !first && working !== this.seen) this.begin(working);
    if (this.about !== null && !this.timer && isActive(this.known) && state === "training") this.soon(EVERY_MS);
  }

  /** Another model is there. @param {string} name */
  async begin(name) {
    this.seen = name;
    try {
      this.about = await this.engine.look("about");
    } catch {
      this.about = null;
    }
    show("looking", this.about !== null && this.about.views.length > 0);
    if (this.about === null) return;
    this.tell();
    this.open(this.about.views.includes(this.view) ? this.view : (Object.keys(VIEWS).find((one) => this.about?.views.includes(one)) ?? ""));
  }

  /** How large the model is, and its views. */
  tell() {
    if (this.about === null) return;
    say("looking-about", t("{n} numbers learn from {samples} samples", { n: words.count(this.about.parameters), samples: words.count(this.about.samples.train) }));
    this.tabs();
  }

  /** The language has changed. */
  relabel() {
    if (this.about === null) return;
    this.tell();
    this.open(this.view);
  }

  /** The run or the model is gone. */
  end() {
    this.about = null;
    this.seen = "";
    this.opened = null;
    show("looking", false);
  }

  tabs() {
    const names = Object.keys(VIEWS).filter((name) => this.about?.views.includes(name));
    element("look-tabs").replaceChildren(
      ...names.map((name) => {
        const tab = document.createElement("button");
        tab.type = "button";
        tab.id = `look-${name}`;
        tab.dataset.view = name;
        tab.setAttribute("role", "tab");
        tab.setAttribute("aria-controls", "look");
        tab.textContent = t(VIEWS[name].title);
        tab.addEventListener("click", () => this.open(name));
        return tab;
      }),
    );
  }

  /** @param {KeyboardEvent} event */
  arrow(event) {
    const tabs = /** @type {HTMLElement[]} */ ([...element("look-tabs").children]);
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (move === undefined) return;
    const next = tabs[(tabs.findIndex((tab) => tab.dataset.view === this.view) + move + tabs.length) % tabs.length];
    next.click();
    next.focus();
    event.preventDefault();
  }

  /** @param {string} name */
  open(name) {
    if (this.about === null || !(name in VIEWS)) return;
    this.view = name;
    for (const tab of /** @type {HTMLElement[]} */ ([...element("look-tabs").children])) {
      const picked = tab.dataset.view === name;
      tab.setAttribute("aria-selected", String(picked));
      tab.tabIndex = picked ? 0 : -1;
    }
    const box = element("look");
    box.setAttribute("aria-labelledby", `look-${name}`);
    box.replaceChildren();
    this.opened = VIEWS[name].open({ box, about: this.about, look: (view, options) => this.engine.look(view, options), again: () => this.ask() });
    this.ask();
  }

  /** @param {number} ms */
  soon(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = 0;
      if (!this.asking) this.ask(); // else the answer that is coming is fresh enough
    }, ms);
  }

  async ask() {
    const { opened, view } = this;
    this.again = this.asking; // what changed meanwhile is asked for afterwards
    if (opened === null || this.asking) return;
    if (document.hidden || document.body.dataset.door !== "train") return;
    this.asking = true;
    let wait = EVERY_MS;
    const began = performance.now();
    try {
      const found = await this.engine.look(view, opened.options?.() ?? {});
      wait = Math.max(EVERY_MS, REST * (performance.now() - began));
      if (this.opened === opened) opened.show(found);
      document.getElementById("look-note")?.remove();
    } catch (error) {
      wait = FAILED_MS;
      note(error instanceof Error ? error.message : String(error));
    }
    this.asking = false;
    if (this.opened !== opened || this.again) this.ask();
    else if (isActive(this.known) && this.known.coordinator?.state === "training") this.soon(wait);
  }
}

/** @param {string} text */
function note(text) {
  let node = document.getElementById("look-note");
  if (node === null) {
    node = document.createElement("p");
    node.id = "look-note";
    node.className = "warning";
    element("looking").append(node);
  }
  node.textContent = text;
}
