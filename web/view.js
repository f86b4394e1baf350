// Everything known, drawn onto the page's elements. It decides nothing and sends nothing: render(known) after every change.

import { Curves } from "./curves.js";
import { Editor } from "./editor.js";
import { element, enable, mark, say, show } from "./elements.js";
import { markGallery } from "./gallery.js";
import { Knobs } from "./knobs.js";
import { loadingShare } from "./loading.js";
import { isStatic } from "./place.js";
import { OwnPart } from "./own_part.js";
import { isActive, isBusy, runState, statusOf } from "./status.js";
import { sayStep } from "./steps.js";
import { t } from "./strings.js";
import { WorkerList } from "./workers.js";
import * as words from "./words.js";

/** @typedef {import("./status.js").Knowledge} Knowledge */

const TONES = { training: "busy", loading: "busy", waiting: "busy", finished: "good", ready: "good", error: "bad", paused: "", stopped: "" };

export class View {
  /** @param {import("./runs.js").Runs} runs */
  constructor(runs) {
    this.editor = new Editor(element("code-box"));
    this.knobs = new Knobs(this.editor);
    this.curves = new Curves(runs);
    this.workers = new WorkerList();
    this.own = new OwnPart();
    this.announced = "";
    /** Whether what is printed was opened for the program that runs. */
    this.opened = false;
    if (isStatic) this.alone();
  }

  /** Without a coordinator there are no others, nothing to lock, and no link to open. */
  alone() {
    show("workers-card", false);
    say("about-page", t("The model is Python, and the arithmetic runs on this device alone."));
    say("contacted", t("Raw data stays on this device; nothing is sent to anybody."));
  }

  /** @param {Knowledge} known */
  render(known) {
    const status = statusOf(known);
    mark(document.body, "data-state", status.state);
    this.link(known);
    this.boot(known);
    this.setup(known);
    this.invite(known);
    this.controls(known, status.state);
    this.numbers(known, status);
    this.own.show(known);
    this.workers.show(known);
    this.announce(known, status);
    show("share", known.join_url !== "");
    mark(element("join-link"), "value", known.join_url);
    show("backend", status.backend !== null);
    say("backend", status.backend ?? "");
    const memory = words.memory(known.report);
    show("memory", memory !== "");
    say("memory", memory);
    show("gpu", known.gpu !== null);
    say("gpu", words.gpu(known.gpu));
    document.title = status.step !== null && status.steps && isActive(known) ? `${Math.floor((100 * status.step) / status.steps)} % ${status.recipe} · distml` : "distml";
  }

  /** @param {Knowledge} known */
  link({ link }) {
    const node = element("link");
    const texts = {
      connecting: () => t("Connecting"),
      open: () => t(isStatic ? "Alone, without a coordinator" : "Connected"),
      refused: () => t("Not let in"),
      retry: () => t("Connection lost, trying again in {s} s", { s: Math.max(0, Math.ceil((/** @type {any} */ (link).at - Date.now()) / 1000)) }),
    };
    // Only the seconds change: a screen reader hears the sentence once.
    mark(node, "aria-live", link.phase === "retry" && node.dataset.phase === "retry" ? "off" : "polite");
    mark(node, "data-phase", link.phase);
    mark(node, "data-tone", { connecting: "busy", open: "good", refused: "bad", retry: "bad" }[link.phase]);
    say("link", texts[link.phase]());
  }

  /** @param {Knowledge} known */
  boot({ engine, problem }) {
    show("boot", engine.phase === "loading" && !problem?.fatal);
    show("boot-cancelled", engine.phase === "cancelled");
    say("boot-stage", words.stage(engine));
    mark(element("boot-bar"), "value", String(loadingShare(engine)));
  }

  /** @param {Knowledge} known */
  setup(known) {
    const host = known.role === "host";
    const waiting = known.role === ""; // nobody has said yet who this tab is
    const editable = host && !isBusy(known);
    show("pick", host || waiting);
    show("recipe-about", host || waiting);
    const program = /** @type {HTMLInputElement} */ (element("as-torch")).checked;
    show("knobs", host);
    show("as-program", host);
    show("script-give", program);
    say("output-title", t(program ? "What the script printed" : "What the recipe printed"));
    if (known.train === "scripting" && !this.opened) /** @type {HTMLDetailsElement} */ (element("output")).open = true;
    this.opened = known.train === "scripting";
    show("code-hint", host);
    show("editor", host || waiting);
    show("shown-code", !host && !waiting && known.run !== null);
    if (!host && known.run !== null) say("plain-code", known.run.code);
    say("recipe-title", t(host || waiting ? "Recipe" : "What this tab will run"));
    show("controls", host || waiting);
    for (const id of ["recipe", "as-torch"]) enable(id, !host || editable);
    for (const id of ["steps", "seed"]) enable(id, !host || (editable && !program));
    enable("code-reset", editable);
    markGallery(/** @type {HTMLSelectElement} */ (element("recipe")).value, host && !editable);
    this.editor.lock(!editable);
    this.knobs.lock(!editable);
  }

  /** @param {Knowledge} known */
  invite(known) {
    const { role, run, joined } = known;
    const over = run !== null && !isActive(known);
    const wanted = known.link.phase !== "refused" && (role === "worker" || (role === "host" && isActive(known) && !joined));
    show("invite", wanted);
    if (!wanted) return;
    say("invite-title", this.inviteTitle(known, over));
    const parts = run && { steps: words.plural(run.steps, "{n} step", "{n} steps"), samples: words.plural(run.batch_size, "{n} sample", "{n} samples"), shards: words.plural(run.shards, "{n} shard", "{n} shards"), seed: run.seed };
    say("invite-facts", parts === null ? t("Its code will be shown here before anything of it runs.") : t("{steps} of {samples}, each cut into {shards} that the tabs share out; seed {seed}.", parts));
    show("invite-privacy", !joined && role === "worker");
    show("join", !joined && run !== null);
    show("rest", joined && role === "worker");
    say("rest", t(known.resting ? "Go on" : "Pause my tab"));
    mark(element("rest"), "aria-pressed", String(known.resting));
    show("leave", joined);
    show("duty-field", joined && role === "worker");
    say("invite-hint", joined ? this.partWords(known) : t(role === "worker" ? "Nothing runs here before you press Join. You can leave at any time." : "This tab only watches until you press Join."));
  }

  /** @param {Knowledge} known @param {boolean} over */
  inviteTitle({ run, role }, over) {
    if (run === null) return t("The host has not started a run yet");
    if (over) return t("The run of {recipe} is over", { recipe: run.recipe });
    return role === "host" ? t("A run is in progress: {recipe}", { recipe: run.recipe }) : run.recipe;
  }

  /** @param {Knowledge} known */
  partWords(known) {
    if (known.resting) return t("This tab rests: others have taken its work. It stays with the run.");
    if (known.engine.phase !== "ready") return t("This tab joins as soon as the engine is ready.");
    if (known.run === null) return t("This tab joins as soon as the host starts a run.");
    return isActive(known) ? t("This tab takes part. It also works while it is in the background, if the browser lets it.") : t("This tab takes part in the host's next run, too, if its code is the same.");
  }

  /** @param {Knowledge} known @param {import("./status.js").State} state */
  controls(known, state) {
    const program = /** @type {HTMLInputElement} */ (element("as-torch")).checked;
    const active = isActive(known);
    const paused = runState(known) === "paused";
    const idle = known.train === "idle";
    const open = known.link.phase === "open";
    enable("train", idle && !active && !known.problem?.fatal && known.engine.phase !== "cancelled" && known.link.phase !== "refused");
    enable("pause", active && idle && open);
    enable("step", idle && !known.problem?.fatal && known.engine.phase === "ready" && (active ? open && paused : !program));
    enable("stop", (active && open) || ["queued", "preparing", "scripting"].includes(known.train));
    enable("reset", idle && (open || !active));
    say("train", t(known.train === "queued" ? "Starting soon" : known.train === "scripting" ? "Running" : idle ? "Train" : "Starting"));
    say("pause", t(paused ? "Resume" : "Pause"));
    say("hint", this.hint(known, active, state));
  }

  /** @param {Knowledge} known @param {boolean} active @param {import("./status.js").State} state */
  hint(known, active, state) {
    if (known.problem?.fatal) return t("The engine did not load: see the message above.");
    if (known.link.phase === "refused") return ""; // the message above says it
    if (known.link.phase === "retry" || known.link.phase === "connecting") return t("Waiting for the coordinator: training needs its answer.");
    if (known.train === "queued") return t("Training starts as soon as the engine is ready. Stop takes that back.");
    if (known.train === "preparing") return t("Loading the recipe. Stop ends it if it hangs.");
    if (known.train === "scripting") return t("The script runs in this tab. Stop ends it, and loads the engine again.");
    if (known.train === "starting") return t("Asking the coordinator for a run.");
    if (active && runState(known) === "waiting") return t("The run waits for a tab that computes.");
    if (active) return t(state === "paused" ? "The run is paused." : "A run is in progress. To start another, stop it first.");
    return known.engine.phase === "loading" ? t("You can press Train now: it starts as soon as the engine is ready.") : "";
  }

  /** @param {Knowledge} known @param {ReturnType<typeof statusOf>} status */
  numbers(known, status) {
    say("state", t(status.state));
    mark(element("state"), "data-tone", TONES[status.state]);
    sayStep(element("n-step"), status);
    say("n-loss", words.loss(status.loss));
    say("n-val", words.loss(status.val_loss));
    const tested = status.test_accuracy !== null;
    say("n-acc-label", t(tested ? "Test accuracy" : "Validation accuracy"));
    say("n-acc", words.percent(tested ? status.test_accuracy : status.accuracy));
    say("run-error", known.problem === null && status.error ? firstLine(status.error) : "");
    mark(element("run-bar"), "value", String(status.steps && status.step ? status.step / status.steps : 0));
  }

  /** @param {Knowledge} known @param {ReturnType<typeof statusOf>} status */
  announce(known, status) {
    const tested = status.state === "finished" && status.test_accuracy !== null;
    const text = status.state === "loading" ? t("Loading. {stage}", { stage: t(known.engine.stage) }) : tested ? t("Training state: {state}, test accuracy {accuracy}", { state: t(status.state), accuracy: words.percent(status.test_accuracy) }) : t("Training state: {state}", { state: t(status.state) });
    if (text === this.announced) return;
    this.announced = text;
    say("announce", text);
  }

  /** @param {import("./status.js").Problem | null} problem */
  problem(problem) {
    show("problem", problem !== null);
    if (problem === null) return;
    say("problem-title", firstLine(problem.message));
    say("problem-next", problem.next);
    show("problem-line", problem.line > 0);
    say("problem-line", t("Show line {n}", { n: problem.line }));
    show("problem-retry", problem.fatal || (problem.line === 0 && !problem.recipe && problem.traceback !== ""));
    show("problem-close", !problem.fatal);
    show("problem-details", problem.traceback !== "");
    say("problem-traceback", problem.traceback);
    if (problem.line > 0) {
      this.editor.mark(problem.line);
      this.editor.select(problem.line);
    }
    element("editor").scrollIntoView({ block: "nearest" });
    element("problem").scrollIntoView({ block: "nearest" });
  }

  /** @param {string} text */
  print(text) {
    const printed = element("printed");
    const atEnd = printed.scrollHeight - printed.scrollTop - printed.clientHeight < 8;
    const lines = `${printed.textContent}${text}\n`.split("\n");
    printed.textContent = lines.slice(-501).join("\n");
    show("output", true);
    if (atEnd) printed.scrollTop = printed.scrollHeight; // who has scrolled up reads on there
  }

  clearPrinted() {
    element("printed").textContent = "";
    show("output", false);
  }
}

/** A shader's error carries its whole source: that is for the traceback. @param {string} message */
function firstLine(message) {
  return message.split("\n")[0].slice(0, 400);
}
