// Views of what a model holds or makes: first-layer filters, text that goes on from a beginning, pictures made again.

import { canvasOf, make } from "./pictures.js";
import { t } from "./strings.js";

/** @type {import("./looking.js").LookView} */
export const FILTERS = {
  title: "Filters",
  open({ box }) {
    const place = make("ul", "", "samples");
    box.append(make("p", t("The first layer's weights: what each of its units looks for. White pulls, black pushes."), "quiet"), place);
    return {
      show: ({ pictures }) => place.replaceChildren(...pictures.map((/** @type {any} */ one, /** @type {number} */ at) => item(canvasOf(one, t("Filter {n}", { n: at + 1 }))))),
    };
  },
};

/** @type {import("./looking.js").LookView} */
export const AGAIN = {
  title: "Made again",
  open({ box }) {
    const place = make("ul", "", "samples pairs");
    box.append(make("p", t("Pictures of the validation split, and below each what the model makes of it."), "quiet"), place);
    return {
      show({ pictures, again }) {
        place.replaceChildren(...pictures.map((/** @type {any} */ one, /** @type {number} */ at) => item(canvasOf(one, t("Picture {n}", { n: at + 1 })), canvasOf(again[at], t("Picture {n}, made again", { n: at + 1 })))));
      },
    };
  },
};

const PIECE = 24; // characters at a time: training goes on in between
const CONTEXT = 16; // always as many, so that the engine plans once
const LONGEST = 240;

/** @type {import("./looking.js").LookView} */
export const TEXT = {
  title: "Text",
  open({ box, again }) {
    const label = make("label", t("Beginning"));
    const prompt = make("input");
    prompt.type = "text";
    prompt.id = "text-prompt";
    prompt.maxLength = 80;
    prompt.value = "def ";
    label.htmlFor = prompt.id;
    const heatLabel = make("label", t("Temperature"));
    const heat = make("input");
    Object.assign(heat, { type: "range", min: "0.1", max: "1.5", step: "0.1", value: "0.8", id: "text-heat" });
    heatLabel.htmlFor = heat.id;
    const field = make("p", "", "field");
    field.append(label, prompt, heatLabel, heat);
    const told = make("pre", "", "told");
    told.tabIndex = 0;
    told.setAttribute("aria-label", t("Text of the model"));
    box.append(field, told);
    let begun = "";
    let written = "";
    let changes = 0;
    let asked = 0;
    const anew = () => {
      written = "";
      changes += 1;
      again();
    };
    prompt.addEventListener("change", anew);
    heat.addEventListener("change", anew);
    return {
      options: () => ((asked = changes), { prompt: written ? (begun + written).slice(-CONTEXT) : prompt.value, temperature: Number(heat.value), length: PIECE }),
      show({ prompt: read, text, goes_on }) {
        if (asked !== changes) return; // it goes on from a beginning that is no longer wanted
        if (written === "") begun = read;
        written += text;
        told.replaceChildren(make("strong", begun), written);
        if (!goes_on || written.length >= LONGEST) written = ""; // the next piece begins a text that has learned more
      },
    };
  },
};

/** @param {...Node} nodes */
function item(...nodes) {
  const found = make("li");
  found.append(...nodes);
  return found;
}
