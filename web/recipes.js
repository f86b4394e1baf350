// The recipe picker: the coordinator's list, the chosen one's code in the editor, and the numbers beside it.

import { element } from "./elements.js";
import { drawGallery } from "./gallery.js";
import { isStatic, at } from "./place.js";
import { t } from "./strings.js";

/** @typedef {{name: string, title: string}} Recipe */

const FIRST = "digits_cnn"; // learns within seconds on every machine

export class RecipeList {
  /**
   * @param {import("./editor.js").Editor} editor
   * @param {{loaded: () => void, failed: (message: string) => void, filled: () => void}} handlers  filled: a recipe stands in the editor now
   */
  constructor(editor, { loaded, failed, filled }) {
    this.editor = editor;
    this.loaded = loaded;
    this.failed = failed;
    /** Told when another recipe comes into the editor. */
    this.filled = [filled];
    /** Whether the editor does not hold the picked recipe's code yet. */
    this.loading = true;
    /** @type {Recipe[]} */
    this.recipes = [];
    /** @type {Map<string, Promise<string>>} code that was fetched before anybody picked it */
    this.ahead = new Map();
    this.picker = /** @type {HTMLSelectElement} */ (element("recipe"));
    this.steps = /** @type {HTMLInputElement} */ (element("steps"));
    this.seed = /** @type {HTMLInputElement} */ (element("seed"));
    /** Whether a person chose the number of steps; else the code says it, and an edit of it must count. */
    this.typed = false;
    this.steps.addEventListener("input", () => (this.typed = this.steps.value !== ""));
    editor.onChange((byHand) => {
      if (byHand && !this.typed) this.steps.value = "";
    });
    this.picker.addEventListener("change", () => this.pick(this.picker.value));
    element("code-reset").addEventListener("click", () => this.pick(this.picker.value));
    /** Whether the code came with a link, and stays until somebody trains. */
    this.pinned = false;
    /** Whether a run's code is shown, which a late answer of load() must not replace. */
    this.taken = false;
  }

  /** @param {string | null} wanted  an example's name, from the address */
  async load(wanted = null) {
    try {
      const [recipes, info] = await Promise.all([json("recipes/index.json"), isStatic ? json("web/version.json") : json("api/info")]);
      this.recipes = recipes;
      for (const { name } of recipes) this.picker.add(new Option(name, name));
      this.gallery();
      element("version").textContent = `distml ${info.version}`;
      if (this.taken) return this.about();
      if (info.steps) this.steps.value = String(info.steps);
      this.seed.value = String(info.seed ?? 0);
      const named = (/** @type {string | null} */ asked) => recipes.find((/** @type {Recipe} */ { name }) => name === asked);
      const first = named(wanted ?? info.recipe) ?? named(FIRST) ?? recipes[0];
      this.picker.value = first.name;
      await this.open(first.name, "");
    } catch (error) {
      this.failed(t("The recipes could not be loaded: {why}", { why: String(error instanceof Error ? error.message : error) }));
    }
  }

  /** The examples' cards, also when the language has changed. */
  gallery() {
    drawGallery(this.recipes, (name) => this.choose(name));
    this.about();
  }

  /** @param {() => void} listener */
  onPick(listener) {
    this.filled.push(listener);
  }

  fill() {
    for (const listener of this.filled) listener();
  }

  /** @param {string} name */
  choose(name) {
    this.picker.value = name;
    return this.pick(name);
  }

  /** Another recipe, or the same one from its file again. @param {string} name */
  pick(name) {
    this.typed = false;
    this.steps.value = ""; // the last run's number would hide the new recipe's own
    this.fill();
    return this.open(name);
  }

  /** Code that is no example: a link's, a lesson's, a kept model's. @param {{name: string, code: string, seed?: number, steps?: number | null}} given */
  put({ name, code, seed = 0, steps = null }) {
    this.taken = true;
    this.loading = false;
    this.fill();
    this.addOption(name);
    this.picker.value = name;
    this.editor.fill(code);
    this.seed.value = String(seed);
    this.steps.value = steps === null ? "" : String(steps);
    this.typed = steps !== null;
    this.about();
    this.loaded();
  }

  /** @param {string} name */
  addOption(name) {
    if (![...this.picker.options].some(({ value }) => value === name)) this.picker.add(new Option(name, name));
  }

  /**
   * What somebody writes while the recipe's text is on its way stays.
   * @param {string} name
   * @param {string} [before]  the code that may be replaced
   */
  async open(name, before = this.editor.code) {
    this.taken = false;
    this.loading = true;
    this.about();
    try {
      const code = await this.text(name);
      if (this.taken || this.picker.value !== name) return; // another one was picked meanwhile
      if (this.editor.code === before) this.editor.fill(code);
      this.loading = false;
      this.loaded();
    } catch (error) {
      this.failed(t("The recipe {name} could not be loaded: {why}", { name, why: String(error instanceof Error ? error.message : error) }));
    }
  }

  /** @param {string} name */
  text(name) {
    return this.ahead.get(name) ?? text(`recipes/${encodeURIComponent(name)}.py`);
  }

  /** On a static host nothing changes: what may be picked later is fetched while there is a network. */
  fetchAhead() {
    if (!isStatic) return;
    for (const { name } of this.recipes) {
      const code = this.text(name);
      this.ahead.set(name, code);
      code.catch(() => this.ahead.delete(name)); // asked for again when it is picked
    }
  }

  about() {
    element("recipe-about").textContent = t(this.recipes.find(({ name }) => name === this.picker.value)?.title ?? "");
  }

  /** Shows what a run runs. @param {import("./status.js").RunHeader} run */
  show(run) {
    if (this.pinned) return;
    this.taken = true;
    this.loading = false;
    this.editor.fill(run.code);
    this.fill();
    this.addOption(run.recipe);
    this.picker.value = run.recipe;
    this.steps.value = String(run.steps);
    this.seed.value = String(run.seed);
    this.about();
  }

  /** Whether the numbers make sense; the browser says which does not. */
  valid() {
    return this.steps.reportValidity() && this.seed.reportValidity();
  }

  /** What the engine is asked to prepare. */
  chosen() {
    return {
      name: this.picker.value,
      code: this.editor.code,
      seed: this.seed.valueAsNumber || 0,
      steps: this.steps.value === "" ? null : this.steps.valueAsNumber,
    };
  }
}

/** @param {string} path */
async function text(path) {
  const response = await fetch(at(path));
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return response.text();
}

/** @param {string} path */
async function json(path) {
  return JSON.parse(await text(path));
}
