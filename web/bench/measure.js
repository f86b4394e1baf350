// The benchmark's order of things: open contenders, compare their numbers first, then one repeat of each in turn, and medians.

import { differences, digest } from "./compare.js";

export const ROWS = [
  "matmul_512", "matmul_1024", "chain_1m", "conv", "conv_input_grad", "conv_weight_grad",
  "mlp_step", "cnn_step", "resnet18_step", "gpt_step",
];
/** The best judge first; a row without a judge is not timed. */
const JUDGES = ["torch", "tfjs", "numpy", "jaxjs"];
/** Where each contender's time goes in a row. */
export const TIMES = /** @type {Record<string, string>} */ ({
  captured: "captured_ms", tuned: "tuned_ms", eager: "eager_ms", tfjs: "tfjs_webgl_ms", jaxjs: "jaxjs_webgl_ms", numpy: "numpy_pyodide_ms", torch: "torch_cpu_ms",
});
/** A wrong number of one of these fails the row; the others only lose their own time. */
const CENTRAL = ["captured", "tuned", "eager", "tfjs", "torch"];
/** Rows of which one repeat takes a minute on a software renderer. */
const LONG = ["resnet18_step"];
const REPEATS = 7;
const LONG_REPEATS = 2;
/** A row that has been timed for so long ends after the repeat it is in, but not before the fewest. */
const MOST_ROW_S = 240;
const FEWEST_REPEATS = 2;
/** A repeat is made at least this long, by more rounds of work and read-back. */
const REPEAT_MS = 10;
const MOST_ROUNDS = 200;
const OPEN_S = 120;
/** How long a contender may take to answer before it is ended: the row's reason for being, and the others. */
const PATIENCE_S = 900;
const LITTLE_PATIENCE_S = 120;
const CLOSE_S = 10;
/** What takes longer than this to draw a frame draws none: a page that was hidden meanwhile. */
const HIDDEN_MS = 2_000;
const LONGEST_REPEAT_MS = 60_000;
/** One of the others that takes longer than this takes part in the fewest repeats only. */
const SLOW_REPEAT_MS = 3_000;

/** The longest time between two frames of the page, while something runs. */
class Frames {
  constructor() {
    this.longest_ms = 0;
    this.watching = true;
    let last = performance.now();
    const frame = () => {
      const now = performance.now();
      this.longest_ms = Math.max(this.longest_ms, now - last);
      last = now;
      if (this.watching) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  /** Ends with the next frame: null on a page that nobody sees. @returns {Promise<number | null>} */
  async end() {
    const next = new Promise((resolve) => requestAnimationFrame(() => resolve(true)));
    const seen = await Promise.race([next, new Promise((resolve) => setTimeout(resolve, HIDDEN_MS, false))]);
    this.watching = false;
    return seen ? this.longest_ms : null;
  }
}

/** @typedef {{name: string, kind: string, shape: number[], data: Float32Array}} Given */
/** @typedef {{arrays: Given[], units: number, checked: number, lr: number}} Work */
/** @typedef {{ask: (verb: string, more?: object, patience_s?: number) => Promise<any>, close: () => void}} Remote */

/** A contender in a worker. @param {string} name @returns {Remote} */
function remote(name) {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  const ask = (/** @type {string} */ verb, more = {}, patience_s = PATIENCE_S) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`took more than ${patience_s} s`)), patience_s * 1000);
      worker.onmessage = ({ data }) => {
        clearTimeout(timer);
        if ("error" in data) reject(new Error(data.error));
        else resolve(data.answer);
      };
      worker.onerror = (event) => reject(new Error(event.message || "its worker did not load"));
      worker.postMessage({ verb, name, ...more });
    });
  return { ask, close: () => worker.terminate() };
}

/**
 * Runs rows one after another.
 * @param {object} options
 * @param {string[]} [options.rows]
 * @param {string[]} [options.contenders] names of TIMES
 * @param {(message: object) => Promise<any>} [options.outside] "torch": a contender outside the page, which is sent a worker's messages
 * @param {number} [options.repeats]
 * @param {Record<string, number | boolean>} [options.flags] of TensorFlow.js, whose defaults are measured without them
 * @param {number} [options.patience_s] how long ours and TensorFlow.js may take to answer
 * @param {number} [options.others_s] how long the others may
 * @param {number} [options.row_s] how long a row is timed, about
 * @param {number} [options.tune_s] how long the contender "tuned" measures its kernels in each row
 * @param {boolean} [options.roofline] whether each kernel of ours is compared with a plain copy and the best product
 * @param {(text: string) => void} [options.say]
 * @param {(row: any) => void} [options.onRow]
 */
export async function run({ rows = ROWS, contenders = ["captured", "eager", "tfjs", "jaxjs"], outside, repeats, flags = {}, tune_s = 20, roofline = false, patience_s = PATIENCE_S, others_s = LITTLE_PATIENCE_S, row_s = MOST_ROW_S, say = () => {}, onRow = () => {} }) {
  const arena = new Arena(contenders, outside, flags, tune_s, patience_s);
  Object.assign(arena, { roofline, others_s, row_s });
  const found = [];
  try {
    for (const name of rows) {
      say(`${name}: preparing`);
      found.push(await runRow(arena, name, repeats ?? (LONG.includes(name) ? LONG_REPEATS : REPEATS), say));
      onRow(found[found.length - 1]);
    }
    return { rows: found, machine: { ...machine(), ...arena.machine } };
  } finally {
    arena.close();
  }
}

function machine() {
  return { browser: navigator.userAgent, cores: navigator.hardwareConcurrency, isolated: crossOriginIsolated };
}

/** The contenders, opened when first asked for. Rivals get a new worker for each row, so that no row inherits their memory. */
class Arena {
  /** @param {string[]} names @param {((message: object) => Promise<any>) | undefined} outside @param {object} flags
   * @param {number} tune_s @param {number} patience_s */
  constructor(names, outside, flags, tune_s, patience_s) {
    this.flags = flags;
    this.patience_s = patience_s;
    this.tune_s = tune_s;
    this.names = names;
    this.roofline = false;
    this.others_s = LITTLE_PATIENCE_S;
    this.row_s = MOST_ROW_S;
    this.outside = outside;
    this.machine = /** @type {Record<string, string>} */ ({});
    this.opened = /** @type {Map<string, Remote>} */ (new Map());
    this.absent = /** @type {Map<string, string>} */ (new Map());
  }

  /** Throws with the reason when there is none. @param {string} name @returns {Promise<Remote>} */
  async get(name) {
    if (name === "torch") return this.torch();
    const why = this.absent.get(name);
    if (why) throw new Error(why);
    const known = this.opened.get(name);
    if (known) return known;
    const made = remote(name);
    try {
      const { version, renderer } = await made.ask("open", { flags: this.flags, tune_s: this.tune_s }, OPEN_S);
      Object.assign(this.machine, { renderer, [["captured", "tuned", "eager", "numpy"].includes(name) ? "distml_py" : name]: version });
    } catch (error) {
      made.close();
      this.absent.set(name, String(/** @type {Error} */ (error).message));
      throw error;
    }
    this.opened.set(name, made);
    return made;
  }

  /** Seconds in which it has to answer. @param {string} name */
  patience(name) {
    return CENTRAL.includes(name) ? this.patience_s : Math.min(this.patience_s, this.others_s);
  }

  torch() {
    const { outside } = this;
    if (!outside) throw new Error("runs only with `nox -s bench`");
    const ask = async (/** @type {string} */ verb, more = {}) => {
      const { error, answer } = await outside({ verb, ...more });
      if (error) throw new Error(error);
      return answer;
    };
    return { ask, close: () => {} };
  }

  /** Ends a worker, so that the next row starts it anew. @param {string} name */
  drop(name) {
    this.opened.get(name)?.close();
    this.opened.delete(name);
  }

  close() {
    for (const name of [...this.opened.keys()]) this.drop(name);
  }
}

/** @param {Arena} arena @param {string} name @param {number} repeats @param {(text: string) => void} say */
async function runRow(arena, name, repeats, say) {
  const row = /** @type {any} */ ({ name, checked: false, ...Object.fromEntries(Object.values(TIMES).map((time) => [time, null])) });
  Object.assign(row, { draws: null, python_ms: null, texture_bytes: null, first_step_ms: null, compile_ms: null, ratio_tfjs: null, frame_gap_ms: null, roofline: null, notes: {} });
  const ready = /** @type {Map<string, any>} */ (new Map());
  try {
    const work = /** @type {Work} */ (await (await arena.get("eager")).ask("describe", { row: name }));
    const first = async (/** @type {string} */ contender) => {
      say(`${name}: first numbers of ${contender}`);
      const patience = arena.patience(contender);
      // PyTorch makes the same numbers itself
      const asked = { row: name, work: contender === "torch" ? null : work, checked: work.checked };
      return attempt(arena, contender, row, async (one) => ready.set(contender, await one.ask("check", asked, patience)));
    };
    for (const contender of arena.names) await first(contender);
    // without any rival NumPy judges, even where nobody asked for its times
    if (!JUDGES.some((contender) => ready.has(contender)) && !arena.names.includes("numpy")) await first("numpy");
    if (judge(row, ready, work)) await timeAll(arena, row, ready, work, repeats, say);
    const ours = ["captured", "eager"].find((way) => ready.has(way) && row.notes[way] === undefined);
    if (arena.roofline && row.checked && ours) {
      say(`${name}: its kernels, one by one`);
      await attempt(arena, ours, row, async (one) => (row.roofline = await one.ask("roofline", {}, arena.patience_s)));
    }
  } catch (error) {
    row.notes.row = /** @type {Error} */ (error).message;
  }
  await leave(arena, ready);
  return row;
}

/** Lets one contender do something; when it cannot, its reason is noted and it is out of this row. Returns whether it could.
 * @param {Arena} arena @param {string} contender @param {any} row @param {(one: Remote) => Promise<any>} what */
async function attempt(arena, contender, row, what) {
  try {
    await what(await arena.get(contender));
    return true;
  } catch (error) {
    row.notes[contender] = /** @type {Error} */ (error).message;
    arena.drop(contender);
    return false;
  }
}

/** Compares everybody's numbers with the judge's; who is wrong leaves `ready`. Returns whether the row may be timed.
 * @param {any} row @param {Map<string, any>} ready @param {Work} work */
function judge(row, ready, work) {
  const chair = JUDGES.find((name) => ready.has(name));
  if (!chair) row.notes.check = "nobody to compare the numbers with";
  if (!chair) return false;
  const before = Object.fromEntries(work.arrays.filter(({ kind }) => kind === "weight").map(({ name, data }) => [`weight ${name}`, digest(data)]));
  const wrong = [];
  for (const [name, { found }] of ready) {
    const what = name === chair ? "" : differences(ready.get(chair).found, found, before);
    if (!what) continue;
    row.notes[name] = `wrong numbers (judge: ${chair}): ${what}`;
    wrong.push(name);
  }
  row.judge = chair;
  row.checked = !wrong.some((name) => CENTRAL.includes(name));
  for (const name of wrong) ready.delete(name);
  return row.checked;
}

/** @param {Arena} arena @param {any} row @param {Map<string, any>} ready @param {Work} work @param {number} repeats @param {(text: string) => void} say */
async function timeAll(arena, row, ready, work, repeats, say) {
  const rounds = /** @type {Map<string, number>} */ (new Map());
  const told = /** @type {Map<string, any[]>} */ (new Map());
  const slow = new Set();
  const once = (/** @type {string} */ name) => attempt(arena, name, row, async (one) => {
    const frames = name === "captured" && told.has(name) && !document.hidden ? new Frames() : null;
    const answer = await one.ask("repeat", { units: work.units, rounds: rounds.get(name) }, arena.patience(name));
    const gap = await frames?.end();
    if (gap) row.frame_gap_ms = Math.max(row.frame_gap_ms ?? 0, gap);
    told.get(name)?.push(answer);
    if (!CENTRAL.includes(name) && answer.ms > SLOW_REPEAT_MS) slow.add(name);
    if (!told.has(name)) rounds.set(name, Math.min(MOST_ROUNDS, Math.ceil(REPEAT_MS / answer.ms)));
    if (!told.has(name) && !CENTRAL.includes(name) && answer.ms > LONGEST_REPEAT_MS) throw new Error(`one repeat takes ${Math.round(answer.ms / 1000)} s`);
  });
  for (const name of arena.names.filter((one) => ready.has(one))) {
    say(`${row.name}: warming up ${name}`);
    rounds.set(name, 1);
    // of a long row the first numbers, two units of it, were the warm-up
    if (LONG.includes(row.name) || (await once(name))) told.set(name, []);
  }
  const names = [...told.keys()];
  const deadline = performance.now() + arena.row_s * 1000;
  let repeat = 0;
  for (; repeat < repeats && (repeat < FEWEST_REPEATS || performance.now() < deadline); repeat++) {
    say(`${row.name}: repeat ${repeat + 1} of ${repeats}`);
    // another one begins each time: who comes after a heavy neighbour is not always the same
    for (let n = 0; n < names.length; n++) {
      const next = names[(n + repeat) % names.length];
      if (row.notes[next] === undefined && (repeat < FEWEST_REPEATS || !slow.has(next))) await once(next);
    }
  }
  for (const name of names) {
    if (row.notes[name] === undefined) summarize(row, name, told.get(name) ?? [], work.units * (rounds.get(name) ?? 1), ready.get(name));
  }
  row.repeats = repeat;
  const best = row.captured_ms ?? row.eager_ms;
  if (best && row.tfjs_webgl_ms) row.ratio_tfjs = row.tfjs_webgl_ms / best;
}

/** Writes one contender's medians into the row; of ours, the figures per unit too, captured before eager.
 * @param {any} row @param {string} name @param {any[]} told @param {number} units @param {any} first */
function summarize(row, name, told, units, first) {
  const times = told.map(({ ms }) => ms / units);
  row[TIMES[name]] = median(times);
  row.ranges = { ...row.ranges, [name]: [Math.min(...times), Math.max(...times)] };
  if (name === "tfjs" || name === "jaxjs") row[`${name}_first_step_ms`] = first.first_step_ms;
  if (name === "tuned") row.choices = first.choices.split("\n");
  if (name !== "captured" && name !== "eager") return;
  const figures = {
    draws: median(told.map(({ draws }) => draws / units)),
    python_ms: median(told.map(({ python_ms }) => python_ms / units)),
    bridge_calls: median(told.map(({ bridge_calls }) => bridge_calls / units)),
    texture_bytes: Math.max(...told.map(({ texture_bytes }) => texture_bytes)),
    first_step_ms: first.first_step_ms,
    compile_ms: first.compile_ms,
  };
  row[name] = figures;
  if (name === "captured" || !row.captured) Object.assign(row, figures);
}

/** @param {number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {Arena} arena @param {Map<string, any>} ready */
async function leave(arena, ready) {
  for (const name of ["tfjs", "jaxjs"]) arena.drop(name);
  for (const name of arena.opened.keys()) await (await arena.get(name)).ask("close", {}, CLOSE_S).catch(() => arena.drop(name));
  if (ready.has("torch")) await arena.torch().ask("close");
}
