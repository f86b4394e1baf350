// Putting text on the clipboard, also where plain http takes the modern way away.

import { t } from "./strings.js";

const SHOWN_MS = 2000;

/** @param {string} text @param {HTMLElement} button  says what came of it @param {HTMLInputElement | null} [field]  that shows the text */
export async function copyOf(text, button, field = null) {
  const before = button.textContent;
  field?.select();
  const copied = navigator.clipboard ? await navigator.clipboard.writeText(text).then(() => true, () => false) : field ? document.execCommand("copy") : copiedByHand(text);
  button.textContent = t(copied ? "Copied" : "Press Ctrl + C");
  setTimeout(() => (button.textContent = before), SHOWN_MS);
}

/** @param {string} text */
function copiedByHand(text) {
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
