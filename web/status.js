// What this tab knows, and the one truth told from it: window.distml.status(). Pure: no DOM, no socket.

/**
 * @typedef {"loading" | "ready" | "waiting" | "training" | "paused" | "stopped" | "finished" | "error"} State
 *
 * @typedef {object} WorkerRow
 * @property {string} id
 * @property {string} name
 * @property {string} backend
 * @property {string} device
 * @property {string} role
 * @property {number} shards_done
 * @property {boolean} contributing
 * @property {number} last_seen_s
 * @property {number} strikes
 * @property {boolean} quarantined
 * @property {number | null} samples_per_s
 *
 * @typedef {{[key: string]: any, worker_list?: WorkerRow[]}} CoordinatorStatus
 *
 * @typedef {object} RunHeader  the fields of wire.Run that people are shown
 * @property {string} run
 * @property {string} recipe
 * @property {string} code
 * @property {string} code_sha256
 * @property {number} seed
 * @property {number} steps
 * @property {number} batch_size
 * @property {number} shards
 *
 * @typedef {object} Problem
 * @property {string} message  cause first
 * @property {string} next     what to try
 * @property {number} line     of the recipe, 0 when none
 * @property {boolean} recipe  the recipe's Python failed, not the engine
 * @property {string} traceback
 * @property {boolean} fatal   the engine itself is gone
 *
 * @typedef {object} Knowledge  everything the page shows; app.js is the only writer
 * @property {{phase: "loading" | "ready" | "cancelled", stage: string, loaded: number, total: number, backend: string | null}} engine
 * @property {import("./socket.js").LinkState} link
 * @property {"" | "host" | "worker"} role
 * @property {string} worker
 * @property {string} join_url
 * @property {RunHeader | null} run
 * @property {CoordinatorStatus | null} coordinator
 * @property {"idle" | "queued" | "preparing" | "starting" | "scripting"} train
 * @property {"finished" | "stopped" | null} script  how the last program ended; null: none was run, or a run came after it
 * @property {boolean} stepping       the run that begins is to take one step, and to pause
 * @property {boolean} resetting      the run and its curves are to be forgotten as soon as it is over
 * @property {string | null} dismissed  a run that the person has put away; nothing of it is shown
 * @property {boolean} joined         the person asked this tab to compute
 * @property {string} consent         SHA-256 of the code that this was for
 * @property {boolean} resting        and then to rest for a while
 * @property {string | null} working  the run that was handed to the engine
 * @property {import("./engine.js").Report | null} report
 * @property {Record<string, number>} reasons  how often something of this tab was refused, by reason
 * @property {{phase: "lost" | "back", step: number | null} | null} gpu  its last loss, and the step then; null: no run was in progress
 * @property {Problem | null} problem
 */

const OVER = new Set(["stopped", "finished"]);
const RUN_STATES = new Set(["waiting", "training", "paused", "stopped", "finished", "error"]);

/** Whether this tab computes for the run it knows. @param {Knowledge} known */
export function isWorking(known) {
  return known.joined && known.run !== null && known.working === known.run.run;
}

/** The coordinator's word on the run this tab knows; null when there is none yet. @param {Knowledge} known @returns {State | null} */
export function runState(known) {
  const status = known.coordinator;
  if (!status?.run || (known.run !== null && status.run !== known.run.run)) return null;
  return RUN_STATES.has(status.state) ? status.state : null;
}

/** Whether there is a run that can still go on. @param {Knowledge} known */
export function isActive(known) {
  const state = runState(known);
  return state === null ? known.run !== null && known.train === "idle" : !OVER.has(state) && state !== "error";
}

/** Whether the code on the page is that of a run in progress, or of one that was asked for. @param {Knowledge} known */
export function isBusy(known) {
  return isActive(known) || known.train !== "idle";
}

/** @param {Knowledge} known @returns {State} */
export function stateOf(known) {
  if (known.problem?.fatal || (known.problem && known.problem.line > 0)) return "error";
  if (known.engine.phase !== "ready" && (known.joined || known.train !== "idle" || !runState(known))) return "loading";
  if (known.train === "scripting") return "training";
  if (known.train !== "idle") return "waiting";
  if (known.script !== null && !known.problem && !isActive(known)) return known.script;
  const run = runState(known);
  if (isWorking(known)) return workingState(run, known.report?.state ?? null);
  if (known.joined) return known.resting ? "paused" : "waiting";
  if (known.problem) return "error";
  if (known.role === "host" || (run !== null && OVER.has(run))) return run ?? "ready";
  return known.engine.phase === "ready" ? "ready" : "loading";
}

/**
 * A working tab has stopped or finished when both sides say so: the coordinator has the result, this tab has the weights.
 * @param {State | null} run @param {string | null} own @returns {State}
 */
function workingState(run, own) {
  const ownState = own !== null && RUN_STATES.has(own) ? /** @type {State} */ (own) : "waiting";
  if (run === "paused" || run === "error") return run;
  if (run !== null && OVER.has(run)) return OVER.has(ownState) ? run : "training";
  if (ownState === "error") return "error";
  return OVER.has(ownState) ? "training" : ownState;
}

/**
 * The documented snapshot for automation and dashboards; a key that is unknown is null.
 * A working tab tells its own step and weights, any other the coordinator's.
 * @param {Knowledge} known
 */
export function statusOf(known) {
  const all = known.coordinator ?? {};
  const current = runState(known) !== null ? all : {};
  const own = isWorking(known) ? known.report : null;
  // Alone, this tab's losses are the freshest; with others, only the coordinator knows the whole batch's.
  const [first, second] = own !== null && current.mode !== "shared" ? [own, current] : [current, own ?? {}];
  /** @param {string} key */
  const newest = (key) => /** @type {any} */ (first)[key] ?? /** @type {any} */ (second)[key] ?? null;
  /** @param {string} key */
  const ours = (key) => (own !== null ? /** @type {any} */ (own)[key] : current[key]) ?? null;
  return {
    state: stateOf(known),
    step: ours("step") ?? current.step ?? null,
    steps: known.run?.steps ?? current.steps ?? null,
    loss: newest("loss"),
    val_loss: newest("val_loss"),
    accuracy: newest("accuracy"),
    train_accuracy: newest("train_accuracy"),
    test_accuracy: newest("test_accuracy"),
    backend: known.engine.backend,
    workers: all.workers ?? null,
    workers_contributing: all.workers_contributing ?? null,
    join_url: known.join_url || null,
    error: known.problem?.message ?? current.error ?? null,
    run: known.run?.run ?? current.run ?? null,
    recipe: known.run?.recipe ?? current.recipe ?? null,
    weights_version: ours("weights_version"),
    weights_sha256: ours("weights_sha256"),
    cpu_ops: ours("cpu_ops"),
    mode: current.mode ?? null,
  };
}
