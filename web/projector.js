// What a class sees on the wall: a big QR code, the curve, how many compute, and the measured speed for each number of tabs.

import { Chart } from "./chart.js";
import { element, say, show } from "./elements.js";
import { tokenOf } from "./identity.js";
import { sayStep } from "./steps.js";
import { at, isStatic } from "./place.js";
import { make } from "./pictures.js";
import { statusOf } from "./status.js";
import { t } from "./strings.js";
import * as words from "./words.js";

const SETTLE_MS = 2000; // after a tab came or went, its pace is not the new number's yet
const IDLE_MS = 6000; // where there are fewer shards than tabs, or others are much faster, some never get work: they are counted all the same
const WINDOW_MS = 3000;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/; // what no other device reaches

/** @typedef {{workers: number, rate: number, seconds: number}} Measured */

export class Projector {
  /** @param {import("./panels.js").Ship} ship */
  constructor({ known, runs }) {
    this.known = known;
    this.runs = runs;
    /** @type {Chart | null} */
    this.chart = null;
    this.qr = "";
    /** @type {Map<number, Measured>} samples a second by number of tabs */
    this.found = new Map();
    /** @type {{workers: number, since: number, at: number, step: number} | null} */
    this.window = null;
    this.run = "";
    this.drawn = "";
    addEventListener("distml-door-open", () => this.draw());
  }

  async welcome() {
    const link = this.known.join_url;
    if (this.known.role !== "host" || isStatic || link === this.qr) return;
    this.qr = link;
    say("qr-link", link);
    for (const name of ["qr-local", "invite-local"]) show(name, LOOPBACK.test(new URL(link).hostname));
    const answer = await fetch(at("api/qr"), { headers: { Authorization: `Bearer ${tokenOf(link)}` } });
    if (!answer.ok) return;
    const { rows } = await answer.json();
    for (const name of ["qr", "invite-qr"]) drawQr(element(name), rows);
    show("invite-qr", true);
  }

  /** Takes the coordinator's status in: how fast the run is with as many tabs as there are. @param {import("./status.js").CoordinatorStatus} status */
  measure(status) {
    const now = performance.now();
    const size = this.known.run?.batch_size ?? 0;
    if (status.run !== this.run) {
      this.run = status.run ?? "";
      this.found.clear();
      this.window = null;
    }
    const workers = status.workers ?? 0;
    if (status.state !== "training" || !status.workers_contributing || status.step === null) {
      this.window = null;
      return;
    }
    let span = this.window;
    if (span === null || span.workers !== workers) this.window = span = { workers: Number(workers), since: now, at: 0, step: 0 };
    if (now - span.since < (status.workers_contributing < workers ? IDLE_MS : SETTLE_MS)) return;
    if (!span.at) Object.assign(span, { at: now, step: status.step });
    const seconds = (now - span.at) / 1000;
    if (seconds * 1000 < WINDOW_MS) return;
    const before = this.found.get(workers);
    const rate = ((status.step - span.step) * size) / seconds;
    const all = (before?.seconds ?? 0) + seconds;
    this.found.set(workers, { workers, rate: ((before?.rate ?? 0) * (before?.seconds ?? 0) + rate * seconds) / all, seconds: all });
    Object.assign(span, { at: now, step: status.step });
  }

  draw() {
    if (document.body.dataset.door !== "projector") return;
    const status = statusOf(this.known);
    say("projector-workers", words.count(status.workers ?? 0));
    say("projector-workers-label", t((status.workers ?? 0) === 1 ? "tab computes" : "tabs compute"));
    sayStep(element("projector-step"), status);
    say("projector-loss", words.loss(status.loss));
    say("projector-accuracy", words.percent(status.test_accuracy ?? status.accuracy));
    this.chart ??= new Chart({ box: element("projector-chart"), format: (value) => String(+value.toPrecision(3)), range: (_, most) => [0, most > 0 ? most * 1.05 : 1] });
    const history = this.runs.current?.history;
    if (history) {
      const lines = [{ label: "training", colour: "--accent", dots: false }, { label: "validation", colour: "--valid", dots: true }];
      this.chart.show(lines, [history.steps(), history.column("loss"), history.column("val_loss")]);
      element("projector-chart").setAttribute("aria-label", t("Loss chart. At step {step}: training {loss}, validation {val}.", { step: status.step ?? 0, loss: words.loss(status.loss), val: words.loss(status.val_loss) }));
    }
    this.speedup();
  }

  /** Bars of what was measured, against one tab (else the fewest). */
  speedup() {
    const rows = [...this.found.values()].sort((a, b) => a.workers - b.workers);
    const drawn = JSON.stringify(rows.map((row) => [row.workers, Math.round(row.rate)]));
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const first = rows[0];
    const most = Math.max(...rows.map((row) => row.rate), 1);
    element("speedup-note").hidden = rows.length > 0;
    element("speedup").replaceChildren(
      ...rows.map((row) => {
        const node = make("p", "", "speed-row");
        const bar = make("span", "", "fill");
        bar.style.width = `${Math.round((100 * row.rate) / most)}%`;
        const factor = row.rate / (first.rate || 1);
        const efficiency = (factor * first.workers) / row.workers;
        node.append(make("strong", words.plural(row.workers, "{n} tab", "{n} tabs")), bar, make("span", t("{rate} samples/s, {factor} times, efficiency {efficiency}", { rate: words.count(Math.round(row.rate)), factor: factor.toFixed(2), efficiency: words.percent(efficiency) })));
        return node;
      }),
    );
  }
}

/** @param {HTMLElement} box @param {string[]} rows  of "0" and "1", the quiet zone included */
function drawQr(box, rows) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", `0 0 ${rows.length} ${rows.length}`);
  svg.setAttribute("shape-rendering", "crispEdges");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", rows.map((row, y) => [...row].map((one, x) => (one === "1" ? `M${x} ${y}h1v1h-1z` : "")).join("")).join(""));
  svg.append(path);
  box.replaceChildren(svg);
}
