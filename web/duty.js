// How much of the time this tab computes: for laptops on battery, and phones that get warm.

import { element, say } from "./elements.js";

/** @param {import("./engine.js").Engine} engine */
export function startDuty(engine) {
  const slider = /** @type {HTMLInputElement} */ (element("duty"));
  slider.addEventListener("input", () => {
    say("duty-value", `${slider.value} %`);
    engine.duty(Number(slider.value) / 100);
  });
}
