// How far the engine has loaded, as one number that never runs backwards within a stage order. Pure.

/** Where each stage begins on the bar, in percent; a stage ends where the next begins. Measured on a warm start. */
const BEGINNINGS = [
  ["Downloading the Python engine", 2],
  ["Starting Python", 50],
  ["Downloading NumPy", 62],
  ["Downloading the library", 78],
  ["Starting NumPy and the library", 82],
  ["Checking the GPU", 94],
  ["", 100],
];

/**
 * Percent of the way to a ready engine.
 * @param {{phase: string, stage: string, loaded: number, total: number}} engine
 */
export function loadingShare({ phase, stage, loaded, total }) {
  if (phase === "ready") return 100;
  const index = BEGINNINGS.findIndex(([name]) => name === stage);
  if (index < 0) return 0;
  const begin = Number(BEGINNINGS[index][1]);
  const end = Number(BEGINNINGS[index + 1][1]);
  const share = total > 0 ? Math.min(1, loaded / total) : 0;
  return begin + (end - begin) * share;
}
