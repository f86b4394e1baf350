// Numbers and states in words for people.

import { t } from "./strings.js";

/** @param {number | null | undefined} value */
export function loss(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return size !== 0 && (size < 0.001 || size >= 1e5) ? value.toExponential(1) : value.toFixed(3);
}

/** @param {number | null | undefined} value 0-1 */
export function percent(value) {
  return value === null || value === undefined ? "–" : `${(value * 100).toFixed(1)} %`;
}

/** @param {number} bytes */
export function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1);
}

/** @param {number | null | undefined} value */
export function count(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en");
}

/** @param {number} number @param {string} one  with {n} @param {string} many  with {n} */
export function plural(number, one, many) {
  return t(number === 1 ? one : many, { n: count(number) });
}

/**
 * A stage of loading with its bytes.
 * @param {{stage: string, loaded: number, total: number}} engine
 */
export function stage({ stage, loaded, total }) {
  const name = t(stage);
  if (loaded < 1e5) return name;
  return total ? t("{stage}: {loaded} of {total} MB", { stage: name, loaded: megabytes(loaded), total: megabytes(total) }) : t("{stage}: {loaded} MB", { stage: name, loaded: megabytes(loaded) });
}

/** @param {{phase: "lost" | "back", step: number | null} | null} gpu */
export function gpu(gpu) {
  if (gpu === null) return "";
  if (gpu.phase === "lost") return t("GPU lost, recovering");
  return gpu.step === null ? t("The GPU was lost and is back.") : t("The GPU was lost after step {step} and is back: training goes on, nothing is missing.", { step: count(gpu.step) });
}

/** @param {import("./engine.js").Report | null} report */
export function memory(report) {
  if (!report?.texture_bytes) return "";
  return t("{mb} MB of GPU memory, {ms} ms a step, {draws} draws", { mb: megabytes(report.texture_bytes), ms: (report.step_ms ?? 0).toFixed(1), draws: count(report.draws) });
}
