// The engine worker: owns Pyodide and the OffscreenCanvas, and drives a tab's half of a round. It has no socket and no token.

import { missing } from "./downloads.js";
import { beginning, foresee } from "./foreseen.js";
import { startPython } from "./python_start.js";
import { openBridge } from "./open_bridge.js";
import { recall, remember } from "./tuning.js";

/** The page. The type checker takes `self` for a window, whose postMessage is another one. */
const page = /** @type {{postMessage: (message: object, transfer?: Transferable[]) => void}} */ (/** @type {unknown} */ (self));
const REPORT_EVERY_MS = 180; // five and a half times a second, less where a step is long: curves move, and the page has its main thread to itself
const MOST_LINES = 500; // that wait to be shown
const AT_ONCE = 200; // prints that the page is told of one by one; after these, so many a second, with all that waited
const PRINTS_PER_S = 10;
const LONGEST_LINE = 2000;
const LOST_EVERY_MS = 100; // how often a lost GPU is asked for
const CHECK_EVERY_MS = 3000; // how often it is asked whether there is time for the self-test that was put off
const GIVE_UP_S = 3; // without a GPU for so long, NumPy goes on

/** @type {any} the functions of GLUE; null until the engine is ready */
let python = null;
/** @type {string | null} the run whose frames came last */
let run = null;
let looping = false;
let reportedAt = 0;
let reportTimer = 0;
/** What was printed faster than a page can show it: the last lines wait here. @type {string[]} */
let unshown = [];
let allowance = AT_ONCE;
let printedAt = 0;
let printTimer = 0;
let stageNow = "";
/** Pyodide, and the packages that this coordinator serves, by name and by what they are imported as. @type {{pyodide: any, served: Map<string, string>} | null} */
let packages = null;
/** What was asked comes in turn, also when one of it waits for a package to be installed. */
let order = Promise.resolve();
/** Whether there is no coordinator: what it would say is said here, and goes to the page as "told". */
let alone = false;
/** How much of the time this worker computes, and how long its last unit of work took. */
let dutyShare = 1;
let unit_ms = 0;
/** Whether NumPy computes here, because there is no usable GPU or the run must repeat bit for bit. */
let plain = false;
let checkTimer = 0;
/** The run whose first loss is known. @type {string | null} */
let learnt = null;
let keepKernels = () => {};
/** From here on kernels count as those that a run begins with. */
let countKernels = () => {};

// The loop is driven by messages, not by timers or frames: a hidden tab keeps training, and what the page sends
// is handled between two units of work.
const turns = new MessageChannel();
turns.port1.onmessage = turn;

self.onmessage = ({ data: asked }) => {
  order = order.then(() => handle(asked));
};

/** @param {any} asked a row of the table in ARCHITECTURE.md */
async function handle(asked) {
  try {
    switch (asked.kind) {
      case "boot":
        return await boot(asked);
      case "prepare":
        await install(asked.code);
        return prepare(asked);
      case "script":
        return await script(asked);
      case "frame":
        return await receive(asked.data);
      case "ask":
        return answer(asked);
      case "duty":
        dutyShare = Math.min(1, Math.max(0.05, asked.share));
        return;
      case "leave":
        run = null;
        if (python === null) return;
        python.leave();
        return report();
    }
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    const cause = missing.length ? `could not fetch ${missing.join(", ")}` : words;
    const message = python === null ? `The engine did not load. ${stageNow}: ${cause}` : words;
    fail({ message, line: 0, recipe: false, traceback: error instanceof Error ? (error.stack ?? "") : "" });
  }
}

/** @param {{index_url: string, lock_url: string, bridge_url: string, alone: boolean, known: import("./known_start.js").KnownStart | null}} how */
async function boot({ index_url, lock_url, bridge_url, alone: without, known }) {
  alone = without;
  const opening = openBridge(bridge_url, (state) => page.postMessage({ kind: "gpu", state }));
  const foreseen = opening.then((found) => foresee(found, known?.key));
  const told = {
    stage,
    print,
    kept: (/** @type {object} */ record) => page.postMessage({ kind: "kept", ...record }),
    loaded: async () => (await foreseen)(),
  };
  const [started, opened] = await Promise.all([startPython(index_url, lock_url, known, told), opening]);
  const { pyodide, served, namespace, key } = started;
  packages = { pyodide, served };
  stage("Checking the GPU");
  // Asked for once: each get() makes a PyProxy that nobody would destroy.
  python = Object.fromEntries(["start", "prepare", "script", "imported", "receive", "advance", "look", "save", "fit", "put", "give", "report", "leave", "busy", "lost_s", "fall_back", "needed", "install", "complaint"].map((name) => [name, namespace.get(name)]));
  const { bridge, why, device } = opened;
  const [remembered, passed] = await Promise.all([recall(device), recall(`${device} passed`)]);
  const tested = passed === key;
  start(bridge, why, remembered, (text) => void remember(device, text), tested);
  if (bridge !== undefined) countKernels = () => (keepKernels = beginning(bridge, device, key));
  countKernels();
  if (!plain && tested) checkTimer = setInterval(checkAgain, CHECK_EVERY_MS, device);
  else if (!plain) void remember(`${device} passed`, key);
}

/**
 * @param {object | undefined} bridge @param {string} why there is none
 * @param {string} [remembered] what the autotuner found on this device before @param {(text: string) => void} [keep] told what it finds
 * @param {boolean} [tested]  this version passed the self-test on this device before
 */
function start(bridge, why, remembered = "", keep = () => {}, tested = false) {
  ready(python.start(bridge, why, remembered, keep, alone, tested));
}

/** The self-test of a device that has passed it before, when there is nothing else to do. @param {string} device */
function checkAgain(device) {
  if (python.busy() || python.lost_s() !== undefined) return;
  clearInterval(checkTimer);
  if (plain) return;
  const wrong = ask("complaint");
  countKernels(); // not the self-test's
  if (!wrong) return;
  void remember(`${device} passed`, "");
  ready(python.fall_back(wrong));
}

/** @param {string} backend */
function ready(backend) {
  performance.mark("ready");
  plain = !backend.startsWith("WebGL2");
  page.postMessage({ kind: "ready", backend });
}

/**
 * Installs the packages that a recipe names and this coordinator serves; of others Python tells when the recipe is loaded.
 * @param {string} code @param {"needed" | "imported"} [asked]  a program names none: what it imports counts
 */
async function install(code, asked = "needed") {
  if (packages === null) return;
  const { pyodide, served } = packages;
  const wanted = new Set([...(ask(asked, code) ?? [])].map((word) => served.get(word) ?? ""));
  const names = [...wanted].filter((name) => name !== "" && !(name in pyodide.loadedPackages));
  if (!names.length) return;
  try {
    await pyodide.loadPackage("micropip", { messageCallback: () => {} });
    await python.install(names);
  } catch (error) {
    const why = String(error instanceof Error ? error.message : error).trim().split("\n").at(-1);
    throw new Error(`could not install ${names.join(", ")}, which the recipe needs, from the coordinator: ${why}`);
  }
}

/** @param {{name: string, code: string, seed: number, steps: number | null, weights?: ArrayBuffer | null}} recipe */
function prepare({ name, code, seed, steps, weights }) {
  const bytes = ask("prepare", name, code, seed, steps ?? undefined, weights ?? undefined);
  if (bytes !== undefined) {
    const data = ownBuffer(bytes);
    page.postMessage({ kind: "prepared", data }, [data]);
  }
  report();
}

/** Runs a program to its end. @param {{name: string, code: string}} program */
async function script({ name, code }) {
  run = null;
  python.leave();
  await install(code, "imported");
  const done = ask("script", name, code);
  showPrinted();
  if (done !== undefined) page.postMessage({ kind: "scripted" });
}

/** @param {string | ArrayBuffer} data */
async function receive(data) {
  const header = typeof data === "string" ? JSON.parse(data) : null;
  if (header?.type === "run") {
    run = header.run;
    await install(header.code);
    if (header.deterministic && !plain) start(undefined, "this run has to repeat bit for bit, which graphics cards do not");
  }
  send(ask("receive", data));
  if (alone) report();
  else if (header !== null && ["run", "ended", "yield"].includes(header.type)) report();
  else reportSoon();
  awaken();
}

function awaken() {
  if (looping || !python.busy()) return;
  looping = true;
  const lost = python.lost_s();
  if (lost === undefined && dutyShare < 1) setTimeout(turn, unit_ms * (1 / dutyShare - 1));
  else if (lost === undefined) turns.port2.postMessage(null);
  else if (lost < GIVE_UP_S || plain) setTimeout(turn, LOST_EVERY_MS);
  else {
    ready(python.fall_back(`the GPU was lost and did not come back within ${GIVE_UP_S} s; reload the page to try it again`));
    turns.port2.postMessage(null);
  }
}

/** One unit of work, then the queue again. */
function turn() {
  looping = false;
  const began = performance.now();
  send(ask("advance"));
  unit_ms = performance.now() - began;
  reportSoon();
  awaken();
}

/**
 * Calls one guarded function of GLUE; undefined when it failed, which has been reported.
 * @param {string} name @param {any[]} values
 */
function ask(name, ...values) {
  const [failure, result] = python[name](...values);
  if (failure === undefined || failure === null) return result;
  fail(JSON.parse(failure));
  return undefined;
}

/**
 * Answers one question of the page, between two units of work; what goes wrong concerns that question alone.
 * @param {{id: number, what: "look" | "save" | "fit" | "put" | "give", values: any[]}} question
 */
function answer({ id, what, values }) {
  if (python === null) return page.postMessage({ kind: "answer", id, error: "the engine is not ready yet" });
  const [failure, found] = python[what](...values);
  if (failure !== undefined && failure !== null) return page.postMessage({ kind: "answer", id, error: JSON.parse(failure).message });
  const data = found instanceof Uint8Array ? ownBuffer(found) : found;
  page.postMessage({ kind: "answer", id, found: data }, data instanceof ArrayBuffer ? [data] : []);
}

/** @param {{message: string, line: number, recipe: boolean, traceback: string}} failure */
function fail(failure) {
  showPrinted();
  python?.leave(); // a tab that failed takes no more work: it would fail again, once for each lease
  page.postMessage({ kind: "error", ...failure });
}

/** @param {(string | Uint8Array)[] | undefined} frames */
function send(frames) {
  for (const frame of frames ?? []) {
    const data = typeof frame === "string" ? frame : ownBuffer(frame);
    if (alone) run = runOf(frame) ?? run;
    page.postMessage({ kind: alone ? "told" : "frame", data }, typeof data === "string" ? [] : [data]);
  }
}

/** @param {string | Uint8Array} frame @returns {string | null} the run that a Run frame begins */
function runOf(frame) {
  const header = typeof frame === "string" ? JSON.parse(frame) : null;
  return header?.type === "run" ? header.run : null;
}

/** The bytes as a buffer of their own, which can be transferred. @param {Uint8Array} bytes @returns {ArrayBuffer} */
function ownBuffer(bytes) {
  return /** @type {ArrayBuffer} */ (bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer);
}

/** A report now if the last one is old enough, else when it is: the last word always gets through. */
function reportSoon() {
  const wait = reportedAt + REPORT_EVERY_MS - performance.now();
  if (wait <= 0) report();
  else if (!reportTimer) reportTimer = setTimeout(report, wait);
}

function report() {
  clearTimeout(reportTimer);
  reportTimer = 0;
  const now = performance.now();
  const late_ms = now - reportedAt - REPORT_EVERY_MS;
  reportedAt = late_ms > 0 && late_ms < REPORT_EVERY_MS ? now - late_ms : now; // a long unit of work delays one, not all that follow
  const text = ask("report");
  if (text === undefined) return;
  const told = JSON.parse(text);
  page.postMessage({ kind: "report", report: told, run });
  if (told.loss === null || run === learnt || plain) return;
  learnt = run;
  keepKernels();
}

/** @param {string} text @param {number} [loaded] @param {number} [total] */
function stage(text, loaded = 0, total = 0) {
  if (text !== stageNow) performance.mark(text); // `nox -s loading` reads them
  stageNow = text;
  page.postMessage({ kind: "stage", stage: text, loaded, total });
}

/** @param {string} text */
function print(text) {
  unshown.push(text.slice(0, LONGEST_LINE));
  if (unshown.length > MOST_LINES) unshown.shift();
  const now = performance.now();
  allowance = Math.min(AT_ONCE, allowance + ((now - printedAt) * PRINTS_PER_S) / 1000);
  printedAt = now;
  if (allowance >= 1) showPrinted();
  else printTimer ||= setTimeout(showPrinted, 1000 / PRINTS_PER_S); // a program that runs on lets no timer through: its next print does it
}

function showPrinted() {
  clearTimeout(printTimer);
  printTimer = 0;
  if (!unshown.length) return;
  allowance -= 1;
  page.postMessage({ kind: "print", text: unshown.join("\n") });
  unshown = [];
}
