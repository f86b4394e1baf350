// The page inside another one (trainer.js): it says what it knows, and does what it is asked. Which pages may show it is the
// coordinator's to say (--embed): the browser shows it in no other.

import { statusOf } from "./status.js";

const KINDS = new Set(["train", "pause", "step", "stop", "reset", "recipe", "code"]);

/** Whether this page was opened to be a part of another one. */
export const isEmbedded = window.parent !== window && new URLSearchParams(location.hash.slice(1)).has("embed");

/** @param {import("./panels.js").Ship} ship */
export function openEmbedded({ known, pilot, recipes }) {
  if (!isEmbedded) return () => {};
  document.body.classList.add("embedded");
  /** @type {string | null} the other page's origin, known when it has spoken */
  let origin = null;
  let told = "";
  addEventListener("message", (event) => {
    if (event.source !== window.parent || typeof event.data?.distml !== "string") return;
    origin = event.origin;
    told = "";
    const { distml: kind, value } = event.data;
    if (!KINDS.has(kind)) return;
    if (kind === "recipe") recipes.choose(String(value));
    else if (kind === "code") recipes.put({ name: String(value?.name ?? "embedded"), code: String(value?.code ?? "") });
    else if (kind === "train") pilot.train();
    else pilot[/** @type {"pause" | "step" | "stop" | "reset"} */ (kind)]();
  });
  return () => {
    if (origin === null) return;
    const status = { ...statusOf(known), join_url: null }; // the link gives rights; the page around gets none
    const text = JSON.stringify(status);
    if (text === told) return;
    told = text;
    window.parent.postMessage({ distml: "status", value: status }, origin);
  };
}

/** The recipe that the page around asked for in the address; null: none. */
export function embeddedRecipe() {
  return isEmbedded ? new URLSearchParams(location.hash.slice(1)).get("recipe") : null;
}
