// Guided lessons: a card with one thing to do at a time, which sees by itself when it is done. Their texts are in lessons/.

import { element, say, show } from "./elements.js";
import { CLASS_ROOM } from "./lessons/class_room.js";
import { DIGITS } from "./lessons/digits.js";
import { FIRST_NEURON } from "./lessons/first_neuron.js";
import { isStatic } from "./place.js";
import { make } from "./pictures.js";
import { isBusy, statusOf } from "./status.js";
import { t } from "./strings.js";

/**
 * @typedef {{ship: import("./panels.js").Ship, known: import("./status.js").Knowledge, status: ReturnType<typeof statusOf>}} Seen
 * @typedef {object} LessonStep
 * @property {string} text
 * @property {(ship: import("./panels.js").Ship) => unknown} [begin]  what the page does for it
 * @property {(seen: Seen) => boolean} done
 * @typedef {{name: string, title: string, about: string, steps: LessonStep[]}} Lesson
 */

const LESSONS = isStatic ? [FIRST_NEURON, DIGITS] : [FIRST_NEURON, DIGITS, CLASS_ROOM];

const LOOK_EVERY_MS = 500;

export class Lessons {
  /** @param {import("./panels.js").Ship} ship */
  constructor(ship) {
    this.ship = ship;
    /** @type {Lesson | null} */
    this.lesson = null;
    this.at = 0;
    /** The farthest step that is done, so that nobody has to keep it so. */
    this.reached = -1;
    element("lesson-next").addEventListener("click", () => this.go(this.at + 1));
    element("lesson-back").addEventListener("click", () => this.go(this.at - 1));
    element("lesson-end").addEventListener("click", () => this.end());
    addEventListener("distml-door-open", () => this.list());
    setInterval(() => this.draw(), LOOK_EVERY_MS); // a cell that was chosen, a digit that was drawn
  }

  list() {
    element("lesson-list").replaceChildren(
      ...LESSONS.map((lesson) => {
        const card = make("div", "", "lesson-card");
        const button = make("button", t("Begin: {title}", { title: t(lesson.title) }));
        button.type = "button";
        button.addEventListener("click", () => this.begin(lesson));
        card.append(make("h2", t(lesson.title)), make("p", t(lesson.about), "quiet"), make("p", t("About five minutes, {n} steps", { n: lesson.steps.length }), "quiet"), button);
        return card;
      }),
    );
  }

  /** @param {Lesson} lesson */
  begin(lesson) {
    dispatchEvent(new CustomEvent("distml-door", { detail: "train" }));
    if (isBusy(this.ship.known)) return this.ship.tell({ message: t("A run is in progress, and the lesson needs the page for itself."), next: t("Stop the run, then begin the lesson again.") });
    this.lesson = lesson;
    this.reached = -1;
    show("lesson", true);
    this.go(0);
  }

  end() {
    this.lesson = null;
    show("lesson", false);
    dispatchEvent(new CustomEvent("distml-door", { detail: "lessons" }));
  }

  /** @param {number} at */
  go(at) {
    if (this.lesson === null) return;
    if (at >= this.lesson.steps.length) return this.end();
    this.at = Math.max(0, at);
    const step = this.lesson.steps[this.at];
    if (this.at > this.reached) step.begin?.(this.ship);
    this.draw();
    element("lesson").focus();
  }

  draw() {
    if (this.lesson === null) return;
    const { known } = this.ship;
    const step = this.lesson.steps[this.at];
    if (this.at > this.reached && step.done({ ship: this.ship, known, status: statusOf(known) })) this.reached = this.at;
    const done = this.reached >= this.at;
    const last = this.at === this.lesson.steps.length - 1;
    say("lesson-title", t(this.lesson.title));
    say("lesson-place", t("Step {n} of {all}", { n: this.at + 1, all: this.lesson.steps.length }));
    say("lesson-text", t(step.text));
    say("lesson-check", done ? t("Done.") : t("This card notices when it is done."));
    say("lesson-next", t(last ? "Finish" : "Next"));
    /** @type {HTMLButtonElement} */ (element("lesson-next")).disabled = !done;
    /** @type {HTMLButtonElement} */ (element("lesson-back")).disabled = this.at === 0;
  }
}
