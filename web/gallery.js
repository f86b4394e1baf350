// The examples as cards with a picture; picking one is the same as picking it in the list.

import { element, mark } from "./elements.js";
import { fileAt } from "./place.js";
import { t } from "./strings.js";

/**
 * @param {{name: string, title: string}[]} recipes @param {(name: string) => void} pick
 */
export function drawGallery(recipes, pick) {
  element("gallery").replaceChildren(
    ...recipes.map(({ name, title }) => {
      const item = document.createElement("li");
      const card = document.createElement("button");
      card.type = "button";
      card.className = "recipe-card";
      card.dataset.recipe = name;
      card.setAttribute("aria-pressed", "false");
      const picture = document.createElement("img");
      picture.alt = "";
      picture.width = 96;
      picture.height = 64;
      picture.src = fileAt(`web/pictures/${name}.svg`);
      picture.addEventListener("error", () => (picture.src = fileAt("web/icon.svg")), { once: true });
      const [head, ...rest] = t(title).split(/[:.]\s/);
      const words = document.createElement("strong");
      words.textContent = head;
      const more = document.createElement("span");
      more.textContent = rest.join(". ");
      card.append(picture, words, more);
      card.addEventListener("click", () => pick(name));
      item.append(card);
      return item;
    }),
  );
}

/** @param {string} name  the picked one @param {boolean} locked */
export function markGallery(name, locked) {
  for (const card of /** @type {NodeListOf<HTMLButtonElement>} */ (element("gallery").querySelectorAll("button"))) {
    const picked = String(card.dataset.recipe === name);
    mark(card, "aria-pressed", picked);
    const idle = locked && picked === "false";
    if (card.disabled !== idle) card.disabled = idle;
  }
}
