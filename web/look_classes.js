// Views of a classifier: the confusion matrix with the samples behind each cell, sample predictions, the worst mistakes.

import { mark, write } from "./elements.js";
import { canvasOf, make } from "./pictures.js";
import { t } from "./strings.js";
import * as words from "./words.js";

/** @typedef {{number: number, truth: number, answer: number, confidence: number, picture: import("./pictures.js").Picture | null, values: number[] | null}} Sample */

/** @type {import("./looking.js").LookView} */
export const CONFUSION = {
  title: "Confusion",
  open({ box, about, look }) {
    const intro = make("p", t("Rows: the truth. Columns: the model's answer. Choose a cell to see its samples."), "quiet");
    const scroll = make("div", "", "scroll");
    const table = make("table", "", "confusion");
    const behind = make("div", "", "behind");
    behind.setAttribute("role", "status");
    scroll.append(table);
    box.append(intro, scroll, behind);
    /** @type {HTMLButtonElement[][]} */
    const cells = buildTable(table, about.classes);
    /** @type {Record<string, number[]>} */
    let numbers = {};
    table.addEventListener("click", async (event) => {
      const cell = /** @type {HTMLElement} */ (event.target).closest("button")?.dataset.cell;
      if (cell === undefined) return;
      const [truth, answer] = cell.split(",").map((one) => about.classes[Number(one)]);
      const asked = numbers[cell] ?? [];
      const { samples } = asked.length ? await look("samples", { numbers: asked }) : { samples: [] };
      const title = make("p", samples.length ? t("{truth}, answered {answer}:", { truth, answer }) : t("No sample of {truth} is answered {answer}.", { truth, answer }));
      behind.replaceChildren(title, grid(samples, about.classes));
    });
    return {
      show({ counts, behind: found }) {
        numbers = found;
        fillTable(cells, counts, about.classes);
      },
    };
  },
};

/** @type {import("./looking.js").LookView} */
export const SAMPLES = {
  title: "Samples",
  open({ box, about }) {
    const place = make("div");
    box.append(make("p", t("Validation samples: what the model answers, and how sure it is."), "quiet"), place);
    return { show: ({ samples }) => place.replaceChildren(grid(samples, about.classes)) };
  },
};

/** @type {import("./looking.js").LookView} */
export const MISTAKES = {
  title: "Worst mistakes",
  open({ box, about }) {
    const intro = make("p", "", "quiet");
    const place = make("div");
    box.append(intro, place);
    return {
      show({ samples, wrong, of }) {
        intro.textContent = t("{wrong} of {of} validation samples are answered wrongly. The surest ones come first.", { wrong, of });
        place.replaceChildren(grid(samples, about.classes));
      },
    };
  },
};

/** @param {HTMLTableElement} table @param {string[]} classes @returns {HTMLButtonElement[][]} */
function buildTable(table, classes) {
  const head = table.createTHead().insertRow();
  const corner = make("td");
  head.append(corner);
  for (const name of classes) {
    const cell = make("th", name);
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  return classes.map((name, truth) => {
    const row = body.insertRow();
    const label = make("th", name);
    label.scope = "row";
    row.append(label);
    return classes.map((_, answer) => {
      const button = make("button");
      button.type = "button";
      button.dataset.cell = `${truth},${answer}`;
      row.insertCell().append(button);
      return button;
    });
  });
}

/** @param {HTMLButtonElement[][]} cells @param {number[][]} counts @param {string[]} classes */
function fillTable(cells, counts, classes) {
  counts.forEach((row, truth) => {
    const most = Math.max(1, ...row);
    row.forEach((count, answer) => {
      const button = cells[truth][answer];
      write(button, String(count));
      const share = `${Math.round((count / most) * 100)}%`;
      if (button.style.getPropertyValue("--share") !== share) button.style.setProperty("--share", share);
      mark(button, "data-kind", count === 0 ? "none" : truth === answer ? "right" : "wrong");
      mark(button, "aria-label", t("{count} samples of {truth} answered {answer}", { count, truth: classes[truth], answer: classes[answer] }));
    });
  });
}

/** @param {Sample[]} samples @param {string[]} classes */
export function grid(samples, classes) {
  const list = make("ul", "", "samples");
  for (const { truth, answer, confidence, picture, values, number } of samples) {
    const item = make("li", "", truth === answer ? "right" : "wrong");
    const [true_, told] = [classes[truth], classes[answer]];
    if (picture !== null) item.append(canvasOf(picture, t("Sample {number}: {truth}", { number, truth: true_ })));
    else if (values !== null) item.append(make("span", values.join("  "), "values"));
    const line = make("span", truth === answer ? told : t("{answer}, not {truth}", { answer: told, truth: true_ }));
    item.append(line, make("small", words.percent(confidence)));
    list.append(item);
  }
  return list;
}
