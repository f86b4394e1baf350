// Whether two contenders computed the same: arrays are compared by evenly spaced samples and by their mean square.

const SAMPLES = 2048;
const TOLERANCE = { losses: 1e-3, output: 1e-4, weight: 3e-2 };
/** Below this share of a weight's own size an update is rounding: float32 holds no more of it. */
const FLOOR = 1e-6;

/** @typedef {{size: number, rms: number, samples: number[]}} Digest */

/** @param {ArrayLike<number>} numbers @returns {Digest} */
export function digest(numbers) {
  const count = Math.min(SAMPLES, numbers.length);
  const samples = Array.from({ length: count }, (_, n) => numbers[Math.floor((n * numbers.length) / count)]);
  let squares = 0;
  for (let n = 0; n < numbers.length; n++) squares += numbers[n] * numbers[n];
  return { size: numbers.length, rms: Math.sqrt(squares / numbers.length), samples };
}

/**
 * What differs, in words; an empty string when nothing does. Of a weight its update is judged: most of it is what it began with.
 * @param {Record<string, Digest>} judge @param {Record<string, Digest>} found @param {Record<string, Digest>} before weights at the start
 */
export function differences(judge, found, before) {
  const complaints = [];
  for (const [name, right] of Object.entries(judge)) {
    const ours = found[name];
    if (!ours) complaints.push(`${name} is missing`);
    else if (ours.size !== right.size) complaints.push(`${name} has ${ours.size} numbers, not ${right.size}`);
    else {
      const error = distance(right, ours, before[name]);
      const most = name.startsWith("weight ") ? TOLERANCE.weight : name === "losses" ? TOLERANCE.losses : TOLERANCE.output;
      if (!(error <= most)) complaints.push(`${name} is off by ${error.toExponential(1)} of its size, ${most} is allowed`);
    }
  }
  return complaints.slice(0, 3).join("; ");
}

/** Root mean square of the difference, as a share of the judge's (of its change since `start`, where there is one).
 * @param {Digest} right @param {Digest} ours @param {Digest | undefined} start */
function distance(right, ours, start) {
  const change = right.samples.map((value, n) => value - (start ? start.samples[n] : 0));
  const scale = Math.max(rms(change), start ? FLOOR * Math.max(rms(start.samples), 1e-2) : 1e-30);
  const error = rms(right.samples.map((value, n) => value - ours.samples[n]));
  return Math.max(error / scale, Math.abs(right.rms - ours.rms) / Math.max(right.rms, 1e-30));
}

/** @param {number[]} numbers */
function rms(numbers) {
  return Math.sqrt(numbers.reduce((sum, value) => sum + value * value, 0) / Math.max(numbers.length, 1));
}
