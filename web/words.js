// Numbers and states in words for people. Pure.

/** @param {number | null | undefined} value */
export function loss(value) {
  return value === null || value === undefined ? "–" : value !== 0 && Math.abs(value) < 0.001 ? value.toExponential(1) : value.toFixed(3);
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

/** @param {number} number @param {string} noun */
export function plural(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}

/**
 * A stage of loading with its bytes.
 * @param {{stage: string, loaded: number, total: number}} engine
 */
export function stage({ stage, loaded, total }) {
  if (loaded < 1e5) return stage;
  return total ? `${stage}: ${megabytes(loaded)} of ${megabytes(total)} MB` : `${stage}: ${megabytes(loaded)} MB`;
}

/** @param {{phase: "lost" | "back", step: number | null} | null} gpu */
export function gpu(gpu) {
  if (gpu === null) return "";
  if (gpu.phase === "lost") return "GPU lost, recovering";
  return gpu.step === null ? "The GPU was lost and is back." : `The GPU was lost after step ${count(gpu.step)} and is back: training goes on, nothing is missing.`;
}
