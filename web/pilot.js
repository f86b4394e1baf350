// What people do: train, pause, step, stop, reset, join, rest, leave. It changes what is known and sends; it draws nothing.

import { isStatic } from "./place.js";
import { isActive, isWorking, runState } from "./status.js";

const DEAF_MS = 2000; // an engine that has said nothing for so long is busy with somebody's loop
const GRACE_MS = 3000; // after Stop, for one that spoke just now: it may be slow, and has the model

/**
 * @typedef {object} Crew  what the pilot works with
 * @property {import("./status.js").Knowledge} known
 * @property {import("./engine.js").Engine} engine
 * @property {import("./socket.js").Connection | import("./alone_link.js").AloneLink} connection
 * @property {import("./recipes.js").RecipeList} recipes
 * @property {import("./scripts.js").Scripts} scripts
 * @property {() => ArrayBuffer | null} weights  where the next run begins; null: at random
 * @property {() => string | ArrayBuffer | null} runFrame  the run as the coordinator sent it
 * @property {(problem: null) => void} tell
 * @property {() => void} begun  a new training was asked for
 * @property {() => void} restart  the engine, anew
 * @property {() => void} cleared  the curves are to be forgotten
 * @property {() => void} draw
 */

export class Pilot {
  /** @param {Crew} crew */
  constructor(crew) {
    this.crew = crew;
    this.stopTimer = 0;
  }

  /** @param {boolean} [step]  only one step, then a pause */
  train(step = false) {
    const { known, recipes, scripts, tell, begun } = this.crew;
    const barred = known.role !== "host" && known.role !== ""; // "": the coordinator has not said yet
    if (barred || known.train !== "idle" || isActive(known) || !recipes.valid()) return;
    tell(null);
    begun();
    known.train = "queued";
    known.script = null;
    known.stepping = step && !scripts.wanted;
    this.startWhenReady();
  }

  /** A click on Train may come before the coordinator's answer: it counts when that makes this tab a host. */
  welcomed() {
    const { known } = this.crew;
    if (known.train === "queued" && known.role !== "host") known.train = "idle";
    this.startWhenReady();
  }

  startWhenReady() {
    const { known, recipes, scripts, engine, weights, draw } = this.crew;
    const admitted = known.link.phase === "open" && known.role === "host";
    if (known.train === "queued" && known.engine.phase === "ready" && admitted && !recipes.loading) {
      const begin = weights();
      if (scripts.wanted) scripts.run({ name: "script", code: recipes.chosen().code });
      else {
        known.train = "preparing";
        engine.prepare({ ...recipes.chosen(), weights: begin && begin.slice(0) });
      }
    }
    draw();
  }

  /** The Start frame is there. @param {ArrayBuffer} data */
  prepared(data) {
    const { known, connection, draw } = this.crew;
    if (known.train !== "preparing") return;
    known.train = connection.send(data) ? "starting" : "queued";
    if (known.stepping && known.train === "starting") this.command("pause"); // before anybody has joined, so it stands at 0
    draw();
  }

  /** Pause or resume, as the run stands. */
  pause() {
    this.command(runState(this.crew.known) === "paused" ? "resume" : "pause");
  }

  step() {
    const { known } = this.crew;
    if (!isActive(known)) return this.train(true);
    this.command(runState(known) === "paused" ? "step" : "pause");
  }

  stop() {
    const { known, restart, draw } = this.crew;
    if (known.train === "scripting") known.script = "stopped";
    if (known.train === "preparing" || known.train === "scripting") restart(); // people's own code is running: only a new worker ends it
    else if (known.train === "idle") this.command("stop");
    if (isWorking(known)) this.watchStop();
    known.train = "idle";
    draw();
  }

  /** A recipe's endless loop hears no frame: the worker is ended, and the run stops with the last stored weights. */
  watchStop() {
    const { known, engine, connection, restart } = this.crew;
    const silent_ms = performance.now() - engine.heardAt;
    const grace = silent_ms > DEAF_MS ? 200 : Math.max(GRACE_MS, 3 * (known.report?.step_ms ?? 0));
    const asked = performance.now();
    clearTimeout(this.stopTimer);
    this.stopTimer = setTimeout(() => {
      if (engine.heardAt > asked || !isWorking(known)) return;
      if (isStatic) this.lost();
      connection.send({ type: "goodbye" });
      restart();
    }, grace);
  }

  /** Without a coordinator the run ends with its worker. */
  lost() {
    const { known } = this.crew;
    known.dismissed = known.run?.run ?? null;
    known.run = known.coordinator = null;
  }

  /** Stops, and forgets the curves and the model; the code stays. */
  reset() {
    const { known } = this.crew;
    known.resetting = true;
    if (known.train !== "idle" || isActive(known)) this.stop();
    this.settleReset();
  }

  /** The second half of a reset, when the run is over. */
  settleReset() {
    const { known, engine, cleared, tell } = this.crew;
    if (!known.resetting || isActive(known) || known.train !== "idle") return;
    known.resetting = false;
    known.script = null;
    known.dismissed = known.run?.run ?? null;
    known.run = known.coordinator = known.report = null;
    this.forgetRun();
    engine.leave();
    cleared();
    tell(null);
  }

  /** @param {"pause" | "resume" | "step" | "stop" | "kick" | "lock" | "unlock"} action @param {string} [worker] */
  command(action, worker = "") {
    this.crew.connection.send({ type: "command", action, worker });
  }

  join() {
    const { known, tell, draw } = this.crew;
    if (known.run === null) return; // there is no code to be seen yet
    tell(null);
    known.joined = true;
    known.consent = known.run.code_sha256;
    known.resting = false;
    this.handRun();
    draw();
  }

  /** Rests: the leases go to others, the tab stays with the run. Asked again, it goes on. */
  rest() {
    const { known, engine, connection, draw } = this.crew;
    known.resting = !known.resting;
    if (known.resting) {
      connection.send({ type: "goodbye" });
      engine.leave();
      known.working = null;
    } else this.handRun();
    draw();
  }

  /** The run is another one than the person agreed to: nothing of it reaches the engine, the connection stays. */
  withdraw() {
    const { engine } = this.crew;
    this.forgetRun();
    engine.leave();
  }

  leave() {
    const { engine, connection } = this.crew;
    this.forgetRun();
    engine.leave();
    connection.close();
    connection.connect();
  }

  /** Gives the run to the engine, if the person wants that and the engine can take it: nothing of a run gets there before. */
  handRun() {
    const { known, engine, runFrame } = this.crew;
    const frame = runFrame();
    if (!known.joined || known.resting || known.run === null || frame === null || known.engine.phase !== "ready") return;
    known.working = known.run.run;
    if (!isStatic) engine.frame(frame);
    if (known.stepping) {
      known.stepping = false;
      this.command("step");
    }
  }

  /** This tab computes for no run any more. */
  forgetRun() {
    const { known } = this.crew;
    clearTimeout(this.stopTimer);
    Object.assign(known, { joined: false, resting: false, stepping: false, working: null, report: null });
  }
}
