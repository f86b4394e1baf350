// A link that carries the code and its settings in the fragment, which no server sees. At most 8 KB, else it says so.

import { t } from "./strings.js";

const MOST_CHARACTERS = 8 * 1024;

/** @typedef {{name: string, code: string, seed: number, steps: number | null, as_torch: boolean}} Shared */

/**
 * @param {import("./recipes.js").RecipeList} recipes @param {boolean} as_torch  it is a program, and no recipe @param {string} token  kept out: a link for others gives no rights here
 * @param {{tell: (problem: {message: string, next: string}) => void}} ship
 */
export function linkWith(recipes, as_torch, token, ship) {
  const { name, code, seed, steps } = recipes.chosen();
  const text = JSON.stringify({ name, code, seed, steps, ...(as_torch ? { as_torch } : {}) });
  const link = `${location.origin}${location.pathname}#code=${encoded(text)}`;
  if (link.length > MOST_CHARACTERS) {
    ship.tell({ message: t("The link would have {n} characters, and 8,192 is the most that travels everywhere.", { n: link.length }), next: t("Shorten the code, or send it as a file.") });
    return "";
  }
  return link;
}

/** The code in this page's address; null when there is none that can be read. @returns {Shared | null} */
export function sharedCode() {
  const packed = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!packed || packed.length > MOST_CHARACTERS) return null;
  try {
    const { name, code, seed, steps, as_torch } = JSON.parse(decoded(packed));
    if (typeof name !== "string" || typeof code !== "string") return null;
    return { name: name.slice(0, 64), code, seed: Number.isInteger(seed) ? seed : 0, steps: Number.isInteger(steps) ? steps : null, as_torch: as_torch === true };
  } catch {
    return null; // a damaged link: the page opens as usual
  }
}

/** @param {string} text */
function encoded(text) {
  const bytes = new TextEncoder().encode(text);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @param {string} packed */
function decoded(packed) {
  const bytes = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder().decode(Uint8Array.from(bytes, (one) => one.charCodeAt(0)));
}
