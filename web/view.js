// Everything known, drawn onto the page's elements. It decides nothing and sends nothing: render(known) after every change.

import { Chart } from "./chart.js";
import { Editor } from "./editor.js";
import { element, say, show } from "./elements.js";
import { loadingShare } from "./loading.js";
import { isActive, runState, statusOf } from "./status.js";
import { WorkerList } from "./workers.js";
import * as words from "./words.js";

/** @typedef {import("./status.js").Knowledge} Knowledge */

const LAST_ROWS = 24;
const TONES = { training: "busy", loading: "busy", waiting: "busy", finished: "good", ready: "good", error: "bad", paused: "", stopped: "" };

export class View {
  constructor() {
    this.editor = new Editor(element("code"), element("gutter"));
    this.lossChart = new Chart({
      box: element("loss-chart"),
      lines: [
        { label: "training", colour: "--accent", dots: false },
        { label: "validation", colour: "--valid", dots: true },
      ],
      format: (value) => String(+value.toPrecision(3)),
      range: (_, most) => [0, most > 0 ? most * 1.05 : 1],
    });
    this.accuracyChart = new Chart({
      box: element("accuracy-chart"),
      lines: [
        { label: "training", colour: "--accent", dots: true },
        { label: "validation", colour: "--valid", dots: true },
      ],
      format: (value) => `${Math.round(value * 100)} %`,
      range: () => [0, 1.02],
    });
    this.announced = "";
    this.workers = new WorkerList();
    element("table").addEventListener("toggle", () => this.history && this.table(this.history));
    /** @type {import("./history.js").History | null} */
    this.history = null;
  }

  /** @param {Knowledge} known @param {import("./history.js").History | null} history  null when the charts have not changed */
  render(known, history) {
    const status = statusOf(known);
    document.body.dataset.state = status.state;
    this.link(known);
    this.boot(known);
    this.setup(known);
    this.invite(known);
    this.controls(known, status.state);
    this.numbers(known, status);
    this.own(known);
    this.workers.show(known.coordinator?.worker_list ?? [], known.worker);
    this.announce(known, status);
    show("share", known.join_url !== "");
    if (element("join-link").getAttribute("value") !== known.join_url) element("join-link").setAttribute("value", known.join_url);
    show("backend", status.backend !== null);
    say("backend", status.backend ?? "");
    show("gpu", known.gpu !== null);
    say("gpu", words.gpu(known.gpu));
    document.title = status.step !== null && status.steps && isActive(known) ? `${Math.floor((100 * status.step) / status.steps)} % ${status.recipe} · distml` : "distml";
    if (history) this.charts(history);
  }

  /** @param {Knowledge} known */
  link({ link }) {
    const node = element("link");
    const texts = {
      connecting: () => "Connecting",
      open: () => "Connected",
      refused: () => "Not let in",
      retry: () => `Connection lost, trying again in ${Math.max(0, Math.ceil((/** @type {any} */ (link).at - Date.now()) / 1000))} s`,
    };
    // Only the seconds change: a screen reader hears the sentence once.
    node.setAttribute("aria-live", link.phase === "retry" && node.dataset.phase === "retry" ? "off" : "polite");
    node.dataset.phase = link.phase;
    node.dataset.tone = { connecting: "busy", open: "good", refused: "bad", retry: "bad" }[link.phase];
    say("link", texts[link.phase]());
  }

  /** @param {Knowledge} known */
  boot({ engine, problem }) {
    show("boot", engine.phase === "loading" && !problem?.fatal);
    say("boot-stage", words.stage(engine));
    element("boot-bar").setAttribute("value", String(loadingShare(engine)));
  }

  /** @param {Knowledge} known */
  setup(known) {
    const host = known.role === "host";
    const editable = host && !isActive(known) && known.train === "idle";
    show("pick", host);
    show("recipe-about", host);
    show("code-hint", host);
    show("editor", host || known.run !== null);
    say("recipe-title", host ? "Recipe" : "What this tab will run");
    show("controls", host);
    for (const id of ["recipe", "steps", "seed"]) /** @type {HTMLInputElement} */ (element(id)).disabled = !editable;
    /** @type {HTMLTextAreaElement} */ (element("code")).readOnly = !editable;
  }

  /** @param {Knowledge} known */
  invite(known) {
    const { role, run, joined } = known;
    const over = run !== null && !isActive(known);
    const wanted = role === "worker" || (role === "host" && isActive(known) && !joined);
    show("invite", wanted);
    if (!wanted) return;
    const title = run === null ? "The host has not started a run yet" : over ? `The run of ${run.recipe} is over` : role === "host" ? `A run is in progress: ${run.recipe}` : run.recipe;
    say("invite-title", title);
    say(
      "invite-facts",
      run === null
        ? "Its code will be shown here. Press Join to take part as soon as it starts."
        : `${words.plural(run.steps, "step")} of ${words.plural(run.batch_size, "sample")}, each cut into ${words.plural(run.shards, "shard")} that the tabs share out; seed ${run.seed}.`,
    );
    show("invite-privacy", !joined && role === "worker");
    show("join", !joined);
    show("leave", joined);
    say("invite-hint", joined ? this.partWords(known) : role === "worker" ? "Nothing runs here before you press Join. You can leave at any time." : "This tab only watches until you press Join.");
  }

  /** @param {Knowledge} known */
  partWords(known) {
    if (known.engine.phase === "loading") return "This tab joins as soon as the engine is ready.";
    if (known.run === null) return "This tab joins as soon as the host starts a run.";
    return isActive(known) ? "This tab takes part. It also works while it is in the background." : "This tab takes part in the host's next run, too, until you leave.";
  }

  /** @param {Knowledge} known @param {import("./status.js").State} state */
  controls(known, state) {
    const active = isActive(known);
    const paused = runState(known) === "paused";
    /** @param {string} id @param {boolean} enabled */
    const enable = (id, enabled) => (/** @type {HTMLButtonElement} */ (element(id)).disabled = !enabled);
    const idle = known.train === "idle";
    enable("train", idle && !active && !known.problem?.fatal);
    enable("pause", active && idle && known.link.phase === "open");
    enable("stop", (active && known.link.phase === "open") || known.train === "queued" || known.train === "preparing");
    say("train", known.train === "queued" ? "Starting soon" : idle ? "Train" : "Starting");
    say("pause", paused ? "Resume" : "Pause");
    say("hint", this.hint(known, active, state));
  }

  /** @param {Knowledge} known @param {boolean} active @param {import("./status.js").State} state */
  hint(known, active, state) {
    if (known.problem?.fatal) return "The engine did not load: see the message above.";
    if (known.link.phase === "retry" || known.link.phase === "connecting") return "Waiting for the coordinator: training needs its answer.";
    if (known.train === "queued") return "Training starts as soon as the engine is ready. Stop takes that back.";
    if (known.train === "preparing") return "Loading the recipe. Stop ends it if it hangs.";
    if (known.train === "starting") return "Asking the coordinator for a run.";
    if (active) return state === "paused" ? "The run is paused." : "A run is in progress. To start another, stop it first.";
    return known.engine.phase === "loading" ? "You can press Train now: it starts as soon as the engine is ready." : "";
  }

  /** @param {Knowledge} known @param {ReturnType<typeof statusOf>} status */
  numbers(known, status) {
    say("state", status.state);
    element("state").dataset.tone = TONES[status.state];
    const step = element("n-step");
    const of = status.steps ? ` of ${words.count(status.steps)}` : "";
    if (step.textContent !== words.count(status.step) + of) {
      const small = document.createElement("small");
      small.textContent = of;
      step.replaceChildren(words.count(status.step), small);
    }
    say("n-loss", words.loss(status.loss));
    say("n-val", words.loss(status.val_loss));
    const tested = status.test_accuracy !== null;
    say("n-acc-label", tested ? "Test accuracy" : "Validation accuracy");
    say("n-acc", words.percent(tested ? status.test_accuracy : status.accuracy));
    say("run-error", known.problem === null && status.error ? firstLine(status.error) : "");
    element("run-bar").setAttribute("value", String(status.steps && status.step ? status.step / status.steps : 0));
  }

  /** @param {Knowledge} known */
  own(known) {
    const rows = known.coordinator?.worker_list ?? [];
    const mine = rows.find((row) => row.id === known.worker);
    const shown = known.joined && known.role === "worker" && known.run !== null;
    show("own", shown);
    if (!shown) return;
    const all = rows.reduce((sum, row) => sum + row.shards_done, 0);
    say("own-shards", words.count(mine?.shards_done ?? 0));
    say("own-share", words.percent(all ? (mine?.shards_done ?? 0) / all : 0));
    say("own-ms", known.report?.step_ms ? `${known.report.step_ms.toFixed(0)} ms` : "–");
    say("own-late", words.count(known.late));
    say("own-note", known.late ? "Not counted: it came when the run had gone on without it, with another worker's result." : "");
  }

  /** @param {Knowledge} known @param {ReturnType<typeof statusOf>} status */
  announce(known, status) {
    const stage = known.engine.phase === "loading" ? known.engine.stage : "";
    const result = status.state === "finished" && status.test_accuracy !== null ? `, test accuracy ${words.percent(status.test_accuracy)}` : "";
    const text = status.state === "loading" ? `Loading. ${stage}` : `Training state: ${status.state}${result}`;
    if (text === this.announced) return;
    this.announced = text;
    say("announce", text);
  }

  /** @param {import("./history.js").History} history */
  charts(history) {
    this.history = history;
    const steps = history.steps();
    this.lossChart.show(steps, [history.column("loss"), history.column("val_loss")]);
    this.accuracyChart.show(steps, [history.column("train_accuracy"), history.column("accuracy")]);
    const last = history.points.at(-1);
    const evaluated = history.points.findLast((point) => point.val_loss !== null);
    element("loss-chart").setAttribute("aria-label", last ? `Loss chart. At step ${last.step}: training ${words.loss(last.loss)}, validation ${words.loss(evaluated?.val_loss)}.` : "Loss chart, empty");
    element("accuracy-chart").setAttribute("aria-label", evaluated ? `Accuracy chart. At step ${evaluated.step}: training ${words.percent(evaluated.train_accuracy)}, validation ${words.percent(evaluated.accuracy)}.` : "Accuracy chart, empty");
    this.table(history);
  }

  /** @param {import("./history.js").History} history */
  table(history) {
    if (!(/** @type {HTMLDetailsElement} */ (element("table")).open)) return;
    const rows = history.sample(LAST_ROWS).map((point) => {
      const row = document.createElement("tr");
      for (const text of [words.count(point.step), words.loss(point.loss), words.loss(point.val_loss), words.percent(point.train_accuracy), words.percent(point.accuracy)]) {
        row.insertCell().textContent = text;
      }
      return row;
    });
    element("table-rows").replaceChildren(...rows);
  }

  /** @param {import("./status.js").Problem | null} problem */
  problem(problem) {
    show("problem", problem !== null);
    if (problem === null) return;
    say("problem-title", firstLine(problem.message));
    say("problem-next", problem.next);
    show("problem-line", problem.line > 0);
    say("problem-line", `Show line ${problem.line}`);
    show("problem-retry", problem.fatal || (problem.line === 0 && !problem.recipe && problem.traceback !== ""));
    show("problem-close", !problem.fatal);
    show("problem-details", problem.traceback !== "");
    say("problem-traceback", problem.traceback);
    element("code").setAttribute("aria-invalid", String(problem.line > 0));
    if (problem.line > 0) {
      this.editor.mark(problem.line);
      this.editor.select(problem.line);
    }
    element("editor").scrollIntoView({ block: "nearest" });
    element("problem").scrollIntoView({ block: "nearest" });
  }

  /** @param {string} text */
  print(text) {
    const lines = `${element("printed").textContent}${text}\n`.split("\n");
    element("printed").textContent = lines.slice(-501).join("\n");
    show("output", true);
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
