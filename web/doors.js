// The page's doors: train (host), join (worker), projector and lessons. One is open; what belongs to others is hidden.

import { element } from "./elements.js";
import { isStatic } from "./place.js";

const NAMES = ["train", "join", "projector", "lessons"];
const ROOT = document.body;

export class Doors {
  /** @param {import("./status.js").Knowledge} known @param {() => void} draw */
  constructor(known, draw) {
    this.known = known;
    this.draw = draw;
    this.now = "train";
    element("doors").addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("button");
      if (button) this.go(button.dataset.door ?? "train");
    });
    addEventListener("distml-door", (event) => this.go(/** @type {CustomEvent} */ (event).detail));
  }

  /** The role is known: the door that the address names, or the one that suits the role. */
  open() {
    const wanted = new URLSearchParams(location.hash.slice(1)).get("door");
    const host = this.known.role === "host";
    this.go(!host ? "join" : wanted !== null && NAMES.includes(wanted) && wanted !== "join" ? wanted : this.now === "join" ? "train" : this.now);
  }

  /** @param {string} door */
  go(door) {
    this.now = door;
    this.show();
    this.draw();
    dispatchEvent(new CustomEvent("distml-door-open", { detail: door }));
  }

  show() {
    element("doors").hidden = this.known.role !== "host";
    /** @type {HTMLElement} */ (element("doors").querySelector('[data-door="projector"]')).hidden = isStatic;
    if (ROOT.dataset.shown === this.now) return;
    ROOT.dataset.door = ROOT.dataset.shown = this.now;
    for (const node of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(NAMES.map((name) => `.for-${name}`).join()))) {
      node.classList.toggle("shut", !node.classList.contains(`for-${this.now}`));
    }
    for (const one of ["projector", "lessons"]) element(one).hidden = this.now !== one;
    for (const button of element("doors").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.door === this.now));
  }
}
