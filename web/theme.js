// Light, dark or as the system has it; the choice is kept. Whoever draws colours hears of a change.

const KEPT = "distml.theme";

/** @type {(() => void)[]} */
const listeners = [];

/** Begins with the kept choice and follows the picker. @param {HTMLSelectElement} picker */
export function startTheme(picker) {
  picker.value = kept();
  apply(picker.value);
  picker.addEventListener("change", () => {
    apply(picker.value);
    try {
      localStorage.setItem(KEPT, picker.value);
    } catch {
      // storage is switched off: the next visit follows the system
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
}

/** @param {() => void} listener */
export function onTheme(listener) {
  listeners.push(listener);
}

/** A colour of the style sheet as canvases take it. @param {string} name  of a custom property */
export function colour(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** @param {string} theme */
function apply(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  tell();
}

function tell() {
  for (const listener of listeners) listener();
}

function kept() {
  try {
    const found = localStorage.getItem(KEPT);
    return found === "light" || found === "dark" ? found : "system";
  } catch {
    return "system";
  }
}
