// The page's wiring: what happens when a person clicks, the engine answers or the coordinator speaks. The one writer of `known`.

import { AloneLink } from "./alone_link.js";
import { Doors } from "./doors.js";
import { fits, naming, pinFromAddress } from "./consent.js";
import { earlierPoints } from "./earlier.js";
import { element } from "./elements.js";
import { Engine } from "./engine.js";
import { startedAhead } from "./first_engine.js";
import { FOR_ENGINE } from "./frames.js";
import { identity, tokenFromAddress } from "./identity.js";
import { loadingEngine, nothingKnown } from "./known.js";
import { openPanels } from "./panels.js";
import { Pilot } from "./pilot.js";
import { isStatic } from "./place.js";
import { fromDoor, fromEngine, fromRefusal } from "./problems.js";
import { RecipeList } from "./recipes.js";
import { Runs } from "./runs.js";
import { Scripts } from "./scripts.js";
import { Connection } from "./socket.js";
import { isActive, isWorking, statusOf } from "./status.js";
import { chosenLanguage, fetchTables, t, useLanguage } from "./strings.js";
import { startTheme } from "./theme.js";
import { View } from "./view.js";

const DRAW_EVERY_MS = 150; // whatever happens
const NUMBERS_EVERY_MS = 450; // what a run reports of itself: nobody reads more than two numbers a second, and each lays the page out anew
const DRAW_SOON_MS = 20;
const WITH_CURVES_MS = 100; // what is due so soon is drawn with the curves
const LONGEST_SHOW_MS = 1000; // the engine's download waits so long for the first screen
const LONGEST_END_MS = 30_000; // a step this long after the end of its run is a recipe that hangs
const known = nothingKnown();
const runs = new Runs();
startTheme(/** @type {HTMLSelectElement} */ (element("theme")));
const view = new View(runs);
const engine = new Engine({ stage, ready, gpu, prepared: (data) => pilot.prepared(data), scripted: () => scripts.ended(), frame: (data) => connection.send(data), told: coordinatorSays, report, print: (text) => view.print(text), error: engineFailed });
const handlers = { link, frame: coordinatorSays };
const token = tokenFromAddress();
const connection = isStatic ? new AloneLink(engine, handlers) : new Connection({ token, ...identity() }, handlers);
const recipes = new RecipeList(view.editor, {
  loaded: () => pilot.startWhenReady(),
  failed: (message) => tell({ message, next: t("Is the coordinator still running? Reload the page to try again.") }),
  filled: () => (scripts.switch.checked = false),
});
/** @type {string | ArrayBuffer | null} */
let runFrame = null;
let drawTimer = 0;
let drawDue = 0;
let drawnAt = 0;
let endTimer = 0;
const scripts = new Scripts(known, engine, draw);
const pilot = new Pilot({ known, engine, connection, recipes, scripts, weights: () => panels.weights(), runFrame: () => runFrame, tell, begun, restart: restartEngine, cleared, draw });
const doors = new Doors(known, draw);
const panels = openPanels({ known, engine, editor: view.editor, recipes, runs, curves: view.curves, scripts, pilot, token, tell, draw });

window.distml = Object.freeze({ status, code: () => view.editor.code, ...panels.api });
const clicks = { train: () => pilot.train(), pause: () => pilot.pause(), step: () => pilot.step(), stop: () => pilot.stop(), reset: () => pilot.reset(), join: () => pilot.join(), rest: () => pilot.rest(), leave: () => pilot.leave(), "boot-cancel": cancelBoot, "boot-again": restartEngine, "problem-retry": restartEngine };
for (const [id, act] of Object.entries(clicks)) element(id).addEventListener("click", act);
element("problem-close").addEventListener("click", () => tell(null));
element("problem-line").addEventListener("click", () => view.editor.select(known.problem?.line ?? 0));
view.editor.run = () => pilot.train();
addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) pilot.train();
});
addEventListener("hashchange", () => tokenFromAddress() !== token && location.reload()); // another link: another role
setInterval(() => known.link.phase === "retry" && draw(), 1000);
element("language").addEventListener("change", (event) => speak(/** @type {HTMLSelectElement} */ (event.target).value));

/** @type {HTMLSelectElement} */ (element("language")).value = chosenLanguage();
speak(chosenLanguage());
connection.connect();
firstBoot(recipes.load(panels.wanted));

/** @param {string} language */
async function speak(language) {
  await useLanguage(language);
  view.curves.draw();
  panels.relabel();
  drawNow();
}

// ---------------------------------------------------------------- the engine

/** @param {string} name @param {number} loaded @param {number} total */
function stage(name, loaded, total) {
  if (known.engine.phase !== "loading") return;
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
  if (first) pilot.handRun();
  if (first) fetchAhead();
  panels.engineReady();
  pilot.startWhenReady();
}

/** What is small and may be wanted later comes when the engine no longer needs the line. */
function fetchAhead() {
  recipes.fetchAhead();
  fetchTables();
}

/** @param {boolean} back */
function gpu(back) {
  if (!back) known.gpu = { phase: "lost", step: isWorking(known) && isActive(known) ? (known.report?.step ?? null) : null };
  else if (known.gpu?.step === null) known.gpu.phase = "back";
  drawNow(); // it may be back before the next drawing
}

/** An engine that was not started ahead has much to fetch: the page is shown first. @param {Promise<void>} shown */
async function firstBoot(shown) {
  if (!startedAhead) await Promise.race([shown, new Promise((go) => setTimeout(go, LONGEST_SHOW_MS))]);
  if (known.engine.phase === "loading" && engine.worker === null) engine.boot();
}

function restartEngine() {
  pilot.forgetRun();
  clearTimeout(endTimer);
  known.gpu = null;
  tell(null);
  known.engine = loadingEngine();
  engine.boot();
  draw();
}

/** The download is taken back; what has come stays in the browser's cache. */
function cancelBoot() {
  engine.stop();
  known.train = "idle";
  known.engine = { ...loadingEngine(), phase: "cancelled" };
  draw();
}

/** @param {import("./engine.js").Report} news @param {string | null} run */
function report(news, run) {
  if (run === null || run !== known.working) return; // the last word of a run that this tab has left
  const before = known.report?.state;
  known.report = news;
  // A GPU that is back has to do some steps again before training goes on.
  if (known.gpu?.phase === "lost" && news.step !== null && news.step > (known.gpu.step ?? -1)) known.gpu.phase = "back";
  if (news.step !== null && !isShared() && ["training", "finished", "stopped"].includes(news.state)) {
    if (runs.current?.history.report(news)) view.curves.changed();
  }
  drawWithin(known.report?.state === before ? NUMBERS_EVERY_MS : DRAW_EVERY_MS);
}

function isShared() {
  return known.coordinator?.run === known.run?.run && known.coordinator?.mode === "shared";
}

/** @param {import("./engine.js").Failure} failure */
function engineFailed(failure) {
  const fatal = known.engine.phase === "loading";
  pilot.forgetRun();
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
  if (state.phase === "refused") {
    if (known.train === "queued") known.train = "idle";
    pilot.forgetRun();
    panels.refused();
    tell(fromDoor(state.reason));
  }
  draw();
}

/** @param {{type: string, [field: string]: any}} header @param {string | ArrayBuffer} data */
function coordinatorSays(header, data) {
  switch (header.type) {
    case "welcome":
      Object.assign(known, { role: header.role, worker: header.worker, join_url: header.join_url });
      if (known.role === "host") view.editor.open();
      doors.open();
      panels.welcome();
      pilot.welcomed();
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
      clearTimeout(endTimer);
      endTimer = setTimeout(checkEnd, LONGEST_END_MS, header.run);
      panels.ended();
      break;
  }
  if (known.working !== null && FOR_ENGINE.has(header.type) && !isStatic) engine.frame(data);
  draw();
}

/** @param {any} header @param {string | ArrayBuffer} data */
function takeRun(header, data) {
  if (header.run === known.dismissed) return;
  runFrame = data;
  const isNew = header.run !== known.run?.run;
  known.run = header;
  known.join_url = naming(known.join_url, header.code_sha256);
  if (isNew) {
    runs.begin(header.run, header.recipe);
    view.curves.changed();
    Object.assign(known, { reasons: {}, gpu: null, report: null });
    recipes.show(header);
    panels.invited();
    consentTo(header);
    if (known.train !== "starting" && !isStatic) takeEarlier(header.run);
  }
  if (known.train === "starting") {
    known.train = "idle";
    known.joined = true;
  }
  pilot.handRun();
  draw();
}

/** A page that comes later sees the curve from its beginning, too. @param {string} run */
async function takeEarlier(run) {
  const points = await earlierPoints(run, token);
  if (runs.all.find((one) => one.run === run)?.history.before(points)) view.curves.draw(); // all: accuracies are among them
}

/** A worker runs what its person has seen and clicked for: other code waits for another click. @param {{code_sha256: string}} run */
function consentTo({ code_sha256 }) {
  if (known.role !== "worker") return;
  if (known.joined && known.consent !== code_sha256) {
    pilot.withdraw();
    tell({ message: t("The host has started a run with other code."), next: t("Look at it, and press Join if you want this tab to run it.") });
  } else if (!fits(pinFromAddress(), code_sha256)) {
    tell({ message: t("This is not the code that your link was made for."), next: t("Look at it before you join, or ask for a fresh link.") });
  }
}

/** @param {import("./status.js").CoordinatorStatus} status */
function takeStatus(status) {
  const before = known.coordinator;
  const gone = status.run !== null && status.run === known.dismissed;
  known.coordinator = gone ? { ...status, run: null, state: "ready", mode: null } : status;
  pilot.settleReset();
  panels.status(status);
  if (!status.run || status.run !== known.run?.run || status.step === null) return;
  if (before !== null && before.run === status.run && status.step < before.step) {
    runs.current?.history.backTo(status.step);
    view.curves.changed();
  }
  if (status.mode === "shared" || !isWorking(known)) addPoint(status.step, status);
}

/** @param {number} step @param {{[key: string]: any}} measures */
function addPoint(step, measures) {
  const { loss = null, val_loss = null, accuracy = null, train_accuracy = null } = measures;
  if (runs.current?.history.add({ step, loss, val_loss, accuracy, train_accuracy })) view.curves.changed();
}

function cleared() {
  runs.clear();
  view.curves.draw();
}

/** A training was asked for. */
function begun() {
  view.clearPrinted();
  recipes.pinned = false;
}

/** @param {string} reason @param {string} detail */
function rejected(reason, detail) {
  known.reasons[reason] = (known.reasons[reason] ?? 0) + 1;
  if (reason === "stale" || reason === "no_lease" || reason === "duplicate") return; // nothing to do about it: another worker was faster
  if (reason === "token") return; // the socket closes on it, which says more
  if (reason === "deterministic") pilot.forgetRun();
  const starting = known.train === "starting";
  if (starting) known.train = "idle";
  tell(fromRefusal(reason, detail, starting));
}

/** A recipe that never returns leaves the engine deaf: only a new worker helps. @param {string} run  that ended; another one may be in progress */
function checkEnd(run) {
  if (isWorking(known) && known.working === run && known.report?.state !== "finished" && known.report?.state !== "stopped") restartEngine();
}

// ---------------------------------------------------------------- drawing

/** Draws soon, and not more often than the eye needs. A timer and not a frame: hidden tabs must stay true, too. */
function draw() {
  drawWithin(DRAW_EVERY_MS);
}

/** @param {number} every_ms  since the last time */
function drawWithin(every_ms) {
  const due = Math.max(performance.now() + DRAW_SOON_MS, drawnAt + every_ms);
  if (drawTimer && due >= drawDue) return;
  clearTimeout(drawTimer);
  drawDue = due;
  drawTimer = setTimeout(drawNow, due - performance.now());
}

view.curves.onDraw = () => {
  if (drawTimer && drawDue - performance.now() < WITH_CURVES_MS) drawNow();
};

function drawNow() {
  clearTimeout(drawTimer);
  drawTimer = 0;
  drawnAt = performance.now();
  view.render(known);
  doors.show();
  panels.draw();
}

/** The documented snapshot. What is not drawn yet is drawn first: nobody finds the page behind its own word. */
function status() {
  if (drawTimer) drawNow();
  return statusOf(known);
}
