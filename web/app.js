// The page's wiring: what happens when a person clicks, the engine answers or the coordinator speaks. The one writer of `known`.

import { element } from "./elements.js";
import { Engine } from "./engine.js";
import { FOR_ENGINE } from "./frames.js";
import { History } from "./history.js";
import { identity, tokenFromAddress } from "./identity.js";
import { fromEngine, fromRefusal } from "./problems.js";
import { RecipeList } from "./recipes.js";
import { Connection } from "./socket.js";
import { isActive, isWorking, runState, statusOf } from "./status.js";
import { View } from "./view.js";

const DRAW_EVERY_MS = 60;
const LONGEST_END_MS = 30_000; // a step this long after the end of its run is a recipe that hangs
/** @type {import("./status.js").Knowledge} */
const known = {
  engine: { phase: "loading", stage: "Downloading the Python engine", loaded: 0, total: 0, backend: null },
  link: { phase: "connecting" },
  role: "",
  worker: "",
  join_url: "",
  run: null,
  coordinator: null,
  train: "idle",
  joined: false,
  working: null,
  report: null,
  late: 0,
  gpu: null,
  problem: null,
};
const view = new View();
const history = new History();
const engine = new Engine({ stage, ready, gpu, prepared, frame: (data) => connection.send(data), report, print: (text) => view.print(text), error: engineFailed });
const connection = new Connection({ token: tokenFromAddress(), ...identity() }, { link, frame: coordinatorSays });
const recipes = new RecipeList(view.editor, {
  loaded: startWhenReady,
  failed: (message) => tell({ message, next: "Is the coordinator still running? Reload the page to try again." }),
});

/** @type {string | ArrayBuffer | null} */
let runFrame = null;
let chartsChanged = true;
let drawTimer = 0;
let endTimer = 0;

window.distml = Object.freeze({ status });
element("train").addEventListener("click", train);
element("pause").addEventListener("click", () => command(runState(known) === "paused" ? "resume" : "pause"));
element("stop").addEventListener("click", stop);
element("join").addEventListener("click", join);
element("leave").addEventListener("click", leave);
element("copy").addEventListener("click", copyLink);
element("join-link").addEventListener("focus", (event) => /** @type {HTMLInputElement} */ (event.target).select());
element("problem-close").addEventListener("click", () => tell(null));
element("problem-retry").addEventListener("click", restartEngine);
element("problem-line").addEventListener("click", () => view.editor.select(known.problem?.line ?? 0));
element("code").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) train();
});
addEventListener("hashchange", () => location.reload()); // another link was pasted: another token, another role
setInterval(() => known.link.phase === "retry" && draw(), 1000);

engine.boot();
connection.connect();
recipes.load();
draw();

// ---------------------------------------------------------------- people

function train() {
  if (known.role !== "host" || known.train !== "idle" || isActive(known) || !recipes.valid()) return;
  tell(null);
  view.clearPrinted();
  known.train = "queued";
  startWhenReady();
}

function startWhenReady() {
  if (known.train === "queued" && known.engine.phase === "ready" && known.link.phase === "open" && !recipes.loading) {
    known.train = "preparing";
    engine.prepare(recipes.chosen());
  }
  draw();
}

function stop() {
  if (known.train === "preparing") restartEngine(); // the recipe's own code is running: only a new worker ends it
  else if (known.train === "idle") command("stop");
  known.train = "idle";
  draw();
}

/** @param {"pause" | "resume" | "stop"} action */
function command(action) {
  connection.send({ type: "command", action });
}

function join() {
  tell(null);
  known.joined = true;
  handRun();
  draw();
}

function leave() {
  forgetRun();
  engine.leave();
  connection.close();
  connection.connect();
}

/** This tab computes for no run any more. */
function forgetRun() {
  clearTimeout(endTimer);
  known.joined = false;
  known.working = null;
  known.report = null;
}

async function copyLink() {
  const field = /** @type {HTMLInputElement} */ (element("join-link"));
  field.select();
  // Plain http on a local network has no navigator.clipboard.
  const copied = navigator.clipboard ? await navigator.clipboard.writeText(field.value).then(() => true, () => false) : document.execCommand("copy");
  element("copy").textContent = copied ? "Copied" : "Press Ctrl + C";
  setTimeout(() => (element("copy").textContent = "Copy"), 2000);
}

// ---------------------------------------------------------------- the engine

/** @param {string} name @param {number} loaded @param {number} total */
function stage(name, loaded, total) {
  const next = name !== known.engine.stage;
  Object.assign(known.engine, { stage: name, loaded, total });
  if (next) drawNow(); // however short, every stage is shown
  else draw();
}

/** @param {string} backend */
function ready(backend) {
  const first = known.engine.phase === "loading"; // it may change its backend later, for a deterministic run
  Object.assign(known.engine, { phase: "ready", backend });
  if (!backend.startsWith("WebGL2")) known.gpu = null; // why it is not used stands beside the backend's name
  if (first) handRun();
  startWhenReady();
}

/** @param {boolean} back */
function gpu(back) {
  if (!back) known.gpu = { phase: "lost", step: isWorking(known) && isActive(known) ? (known.report?.step ?? null) : null };
  else if (known.gpu?.step === null) known.gpu.phase = "back";
  drawNow(); // it may be back before the next drawing
}

function restartEngine() {
  forgetRun();
  known.gpu = null;
  tell(null);
  known.engine = { phase: "loading", stage: "Downloading the Python engine", loaded: 0, total: 0, backend: null };
  engine.boot();
  draw();
}

/** @param {ArrayBuffer} data */
function prepared(data) {
  if (known.train !== "preparing") return;
  known.train = connection.send(data) ? "starting" : "queued";
  draw();
}

/** @param {import("./engine.js").Report} news @param {string | null} run */
function report(news, run) {
  if (run === null || run !== known.working) return; // the last word of a run that this tab has left
  known.report = news;
  // A GPU that is back has to do some steps again before training goes on.
  if (known.gpu?.phase === "lost" && news.step !== null && news.step > (known.gpu.step ?? -1)) known.gpu.phase = "back";
  if (news.step !== null && !isShared() && news.state === "training") addPoint(news.step, news);
  draw();
}

function isShared() {
  return known.coordinator?.run === known.run?.run && known.coordinator?.mode === "shared";
}

/** @param {import("./engine.js").Failure} failure */
function engineFailed(failure) {
  const fatal = known.engine.phase === "loading";
  forgetRun();
  known.train = "idle";
  tell(fromEngine(failure, known.role, fatal));
}

/** Shows a problem, or takes the last one away. @param {{message: string, next: string, line?: number, recipe?: boolean, traceback?: string, fatal?: boolean} | null} problem */
function tell(problem) {
  known.problem = problem && { line: 0, recipe: false, traceback: "", fatal: false, ...problem };
  if (problem === null) view.editor.mark(0);
  view.problem(known.problem);
  draw();
}

// ---------------------------------------------------------------- the coordinator

/** @param {import("./socket.js").LinkState} state */
function link(state) {
  known.link = state;
  if (state.phase === "retry" || state.phase === "refused") {
    // What this tab computes now would count for nothing: it takes the run up again where the coordinator has it.
    if (known.working !== null) engine.leave();
    known.working = null;
    if (known.train === "starting") known.train = "idle";
  }
  if (state.phase === "refused") tell({ message: `The coordinator did not let this tab in: ${state.reason || "the link is not valid"}`, next: "Ask for a fresh link, or open the link that the coordinator printed." });
  draw();
}

/** @param {{type: string, [field: string]: any}} header @param {string | ArrayBuffer} data */
function coordinatorSays(header, data) {
  switch (header.type) {
    case "welcome":
      Object.assign(known, { role: header.role, worker: header.worker, join_url: header.join_url });
      startWhenReady();
      break;
    case "run":
      return takeRun(header, data);
    case "status":
      takeStatus(header.status);
      break;
    case "rejected":
      rejected(header.reason, header.detail);
      break;
    case "ended":
      endTimer = setTimeout(checkEnd, LONGEST_END_MS);
      break;
  }
  if (known.working !== null && FOR_ENGINE.has(header.type)) engine.frame(data);
  draw();
}

/** @param {any} header @param {string | ArrayBuffer} data */
function takeRun(header, data) {
  runFrame = data;
  const isNew = header.run !== known.run?.run;
  known.run = header;
  if (isNew) {
    history.clear();
    chartsChanged = true;
    known.late = 0;
    known.gpu = null;
    known.report = null;
    recipes.show(header);
  }
  if (known.train === "starting") {
    known.train = "idle";
    known.joined = true;
  }
  handRun();
  draw();
}

/** Gives the run to the engine, if the person wants that and the engine can take it: nothing of a run gets there before. */
function handRun() {
  if (!known.joined || known.run === null || runFrame === null || known.engine.phase !== "ready") return;
  known.working = known.run.run;
  engine.frame(runFrame);
}

/** @param {import("./status.js").CoordinatorStatus} status */
function takeStatus(status) {
  const before = known.coordinator;
  known.coordinator = status;
  if (!status.run || status.run !== known.run?.run || status.step === null) return;
  if (before !== null && before.run === status.run && status.step < before.step) {
    history.backTo(status.step);
    chartsChanged = true;
  }
  if (status.mode === "shared" || !isWorking(known)) addPoint(status.step, status);
}

/** @param {number} step @param {{[key: string]: any}} measures */
function addPoint(step, measures) {
  const { loss = null, val_loss = null, accuracy = null, train_accuracy = null } = measures;
  chartsChanged = history.add({ step, loss, val_loss, accuracy, train_accuracy }) || chartsChanged;
}

/** @param {string} reason @param {string} detail */
function rejected(reason, detail) {
  if (reason === "stale" || reason === "no_lease") {
    known.late += 1; // nothing to do about it: another worker was faster
    return;
  }
  if (reason === "deterministic") forgetRun();
  if (known.train === "starting") known.train = "idle";
  tell(fromRefusal(reason, detail));
}

/** A recipe that never returns leaves the engine deaf: only a new worker helps. */
function checkEnd() {
  if (isWorking(known) && known.report?.state !== "finished" && known.report?.state !== "stopped") restartEngine();
}

// ---------------------------------------------------------------- drawing

/** Draws soon, and not more often than the eye needs. A timer and not a frame: hidden tabs must stay true, too. */
function draw() {
  drawTimer ||= setTimeout(drawNow, DRAW_EVERY_MS);
}

function drawNow() {
  clearTimeout(drawTimer);
  drawTimer = 0;
  view.render(known, chartsChanged ? history : null);
  chartsChanged = false;
}

/** The documented snapshot. What is not drawn yet is drawn first: nobody finds the page behind its own word. */
function status() {
  if (drawTimer) drawNow();
  return statusOf(known);
}
