// Models as files and in this browser: download, drop one to begin from it, and go on with a kept one after a reload.

import { element, say, show } from "./elements.js";
import { forgetModel, keepModel, keptModels } from "./keeping.js";
import { make } from "./pictures.js";
import { dataIsGone } from "./problems.js";
import { isBusy } from "./status.js";
import { t } from "./strings.js";
import * as words from "./words.js";

const MOST_BYTES = 512 << 20;

export class Models {
  /** @param {import("./panels.js").Ship} ship @param {import("./looking.js").Looking} looking */
  constructor(ship, looking) {
    this.ship = ship;
    this.looking = looking;
    /** @type {ArrayBuffer | null} where the next run begins */
    this.weights = null;
    /** Whether the engine holds a model that was loaded and not trained yet. */
    this.loaded = false;
    this.kept = "";
    ship.recipes.onPick(() => this.forget());
    for (const id of ["model-forget", "reset"]) element(id).addEventListener("click", () => this.forget());
    const input = /** @type {HTMLInputElement} */ (element("model-file"));
    input.addEventListener("change", () => input.files?.[0] && this.take(input.files[0]));
    const drop = element("drop");
    drop.addEventListener("dragover", (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
    drop.addEventListener("dragleave", () => drop.classList.remove("over"));
    drop.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      const file = event.dataTransfer?.files[0];
      if (file) this.take(file);
    });
    for (const format of /** @type {const} */ (["safetensors", "onnx", "snippet"])) element(`save-${format}`).addEventListener("click", () => this.save(format));
  }

  ready() {
    this.list();
  }

  /** Nothing was loaded: the next run begins at random. */
  forget() {
    this.weights = null;
    this.loaded = false;
    say("model-loaded", "");
    show("model-forget", false);
  }

  /** @param {File} file */
  async take(file) {
    if (file.size > MOST_BYTES) return say("model-loaded", t("{name} has {mb} MB; at most 512 MB fit in a tab.", { name: file.name, mb: words.megabytes(file.size) }));
    await this.begin(await file.arrayBuffer(), file.name);
  }

  /** Tries the numbers on the recipe as it is in the editor; the next run begins with them. @param {ArrayBuffer} weights @param {string} name */
  async begin(weights, name) {
    const { engine, recipes } = this.ship;
    if (!engine.isReady) say("model-loaded", t("The engine is still loading: this goes on when it is ready."));
    await engine.whenReady;
    try {
      await engine.ask("fit", recipes.picker.value, recipes.editor.code, recipes.chosen().seed, weights.slice(0));
    } catch (error) {
      this.forget();
      const why = error instanceof Error ? error.message : String(error);
      const next = /^FormatError/.test(why) ? t("Choose a .safetensors file that was saved from the recipe in the editor.") : dataIsGone(why);
      return say("model-loaded", next ? `${why}. ${next}` : why);
    }
    this.weights = weights;
    this.loaded = true;
    show("model-forget", true);
    say("model-loaded", t("{name} fits. Train begins from it; you can look into it below.", { name }));
    this.looking.begin(name);
  }

  /** @param {"safetensors" | "onnx" | "snippet"} format */
  async save(format) {
    const { engine, known, recipes } = this.ship;
    const name = known.run?.recipe ?? recipes.picker.value;
    try {
      const found = await engine.ask("save", format, name);
      const [ending, type] = { safetensors: ["safetensors", "application/octet-stream"], onnx: ["onnx", "application/octet-stream"], snippet: ["py", "text/x-python"] }[format];
      download(new Blob([found], { type }), `${name}.${ending}`);
      say("models-note", t("{file} was saved by the browser.", { file: `${name}.${ending}` }));
    } catch (error) {
      say("models-note", error instanceof Error ? error.message : String(error));
    }
  }

  /** A run is over: its model stays in this browser. */
  async ended() {
    const { engine, known, runs } = this.ship;
    const { run, working } = known;
    if (run === null || working !== run.run || this.kept === run.run || known.role !== "host") return;
    this.kept = run.run;
    this.forget();
    say("models-note", "");
    try {
      const bytes = await engine.ask("save", "safetensors", run.recipe);
      const status = known.coordinator ?? {};
      const { recipe, code, seed, steps } = run;
      await keepModel({ run: run.run, name: recipe, code, seed, steps, step: status.step ?? steps, when: Date.now(), accuracy: status.test_accuracy ?? status.accuracy ?? null, loss: status.loss ?? null, weights: bytes, points: runs.current?.history.points ?? [] });
      this.list();
    } catch (error) {
      say("models-note", t("The model could not be kept in this browser: {why}", { why: String(error instanceof Error ? error.message : error) }));
    }
  }

  async list() {
    /** @type {import("./keeping.js").Kept[]} */
    let all = [];
    try {
      all = await keptModels();
    } catch {
      // storage is switched off: nothing is kept, and nothing is promised
    }
    show("kept-title", all.length > 0);
    element("kept").replaceChildren(...all.map((one) => this.row(one)));
  }

  /** @param {import("./keeping.js").Kept} kept */
  row(kept) {
    const item = make("li");
    const facts = [t("step {n}", { n: words.count(kept.step) }), kept.accuracy === null ? "" : words.percent(kept.accuracy), new Date(kept.when).toLocaleString(document.documentElement.lang)];
    const go = make("button", t("Go on with it"), "small");
    const curve = make("button", t("Show its curve"), "small plain");
    const forget = make("button", t("Forget"), "small plain");
    for (const button of [go, curve, forget]) button.type = "button";
    curve.addEventListener("click", () => {
      this.ship.runs.add(kept.run ?? `kept ${kept.id}`, kept.name, kept.points);
      this.ship.curves.draw();
    });
    forget.setAttribute("aria-label", t("Forget {name}", { name: kept.name }));
    go.addEventListener("click", async () => {
      if (isBusy(this.ship.known)) return say("model-loaded", t("A run is in progress. Stop it, then press “{button}” again.", { button: t("Go on with it") }));
      const { name, code, seed } = kept;
      this.ship.recipes.put({ name, code, seed });
      await this.begin(kept.weights, name);
    });
    forget.addEventListener("click", async () => {
      await forgetModel(/** @type {number} */ (kept.id));
      this.list();
    });
    item.append(make("strong", kept.name), make("span", facts.filter(Boolean).join(" · "), "quiet"), go, curve, forget);
    return item;
  }
}

/** @param {Blob} blob @param {string} name */
function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
