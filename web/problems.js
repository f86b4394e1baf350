// What went wrong, in words: the cause, and what to try next.

import { t } from "./strings.js";

/** What to try after a refusal, by its reason. */
const AFTER_REFUSAL = new Map([
  ["deterministic", "This tab can watch the run. Workers on one kind of machine repeat each other bit for bit; different kinds do not."],
  ["forbidden", "Only a tab opened with the host link can do that."],
  ["diverged", "Lower the learning rate in the recipe and press Train again."],
  ["no_run", "Press Train to start a run."],
  ["busy", "Stop the run that is in progress first."],
]);

/** What to try after the coordinator closed its door, by what it said then. */
const AFTER_DOOR = new Map([
  ["lets nobody else join", "Nothing is wrong with your link: reload this page when the host has unlocked joining."],
  ["the host removed", "Ask the host about it: this tab takes part in nothing any more."],
]);

/** @param {string} why  the coordinator's words */
export function fromDoor(why) {
  const next = [...AFTER_DOOR].find(([words]) => why.includes(words))?.[1] ?? "Ask for a fresh link, or open the link that the coordinator printed.";
  return { message: t("The coordinator did not let this tab in: {why}", { why: why || t("the link is not valid") }), next: t(next) };
}

/** @param {string} reason one stable word @param {string} detail @param {boolean} starting  it was a run that this tab asked for */
export function fromRefusal(reason, detail, starting) {
  const change = starting && reason === "invalid" ? "Change what it names, in the recipe or in the fields beside it, and press Train again." : undefined;
  const next = t(change ?? AFTER_REFUSAL.get(reason) ?? "Reload the page to start afresh; the run itself goes on without this tab.");
  return { message: t("The coordinator refused: {why}", { why: detail || reason }), next };
}

/**
 * @param {import("./engine.js").Failure} failure
 * @param {"" | "host" | "worker"} role
 * @param {boolean} fatal the engine did not even load
 */
export function fromEngine(failure, role, fatal) {
  const { line, recipe, traceback } = failure;
  const message = line > 0 ? t("Line {line}: {message}", { line, message: failure.message }) : failure.message;
  return { message, next: afterFailure(failure, role, fatal), line, recipe, traceback, fatal };
}

/** What to do when people's own data is not in this tab; "" when that is not the cause. @param {string} message @param {boolean} [theirs]  it is the host's */
export function dataIsGone(message, theirs = false) {
  if (!/No such file .*'\/data\/(table\.csv|pictures\.bin|text\.txt)'/.test(message)) return "";
  return t(theirs ? "This run learns from data that never leaves the host's device: other tabs cannot take part." : "The data was never stored nor sent, so it went with the tab it lay in. Choose it again under “Your own data”, then press Train.");
}

/** @param {import("./engine.js").Failure} failure @param {"" | "host" | "worker"} role @param {boolean} fatal */
function afterFailure({ message, line, recipe }, role, fatal) {
  if (fatal) return t("Check that the coordinator is still running and that this device has memory left, then load the engine again.");
  if (role === "host" && /as a PyTorch script/.test(message)) return t("This is a program for PyTorch: tick “Run as PyTorch script” below the code and press Train again.");
  const gone = dataIsGone(message, role !== "host");
  if (gone) return gone;
  if (line === 0 && recipe) return t(role === "host" ? "Change the recipe and press Train again." : "Tell the host, who can change the recipe and start again.");
  if (line === 0) return t("Load the engine again and repeat it; if it comes back, the traceback helps whoever looks for the cause.");
  if (role === "host") return t("Line {line} of the recipe is marked below. Change it and press Train again.", { line });
  return t("It happened in line {line} of the recipe, shown below. Tell the host, who can change it and start again.", { line });
}
