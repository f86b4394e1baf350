// Programs written for PyTorch, run in this tab alone: the switch beside the editor, the files given to them, and their end.

import { element, say } from "./elements.js";
import { t } from "./strings.js";
import * as words from "./words.js";

const MOST_BYTES = 512 << 20;

/** @typedef {{name: string, code: string}} Program */

export class Scripts {
  /** @param {import("./status.js").Knowledge} known @param {import("./engine.js").Engine} engine @param {() => void} draw */
  constructor(known, engine, draw) {
    this.known = known;
    this.engine = engine;
    this.draw = draw;
    this.switch = /** @type {HTMLInputElement} */ (element("as-torch"));
    this.switch.addEventListener("change", draw);
    /** What the programs of this page find in their folder, by name: an engine that is loaded again is given it again. @type {Map<string, File>} */
    this.files = new Map();
    const input = /** @type {HTMLInputElement} */ (element("script-files"));
    input.addEventListener("change", () => {
      this.take([...(input.files ?? [])]);
      input.value = "";
    });
  }

  /** Whether Train runs the code as a program, and not as a recipe. */
  get wanted() {
    return this.switch.checked;
  }

  /** @param {File[]} files */
  take(files) {
    const large = files.find((file) => file.size > MOST_BYTES);
    if (large !== undefined) return say("script-files-note", t("{name} has {mb} MB; at most 512 MB fit in a tab.", { name: large.name, mb: words.megabytes(large.size) }));
    for (const file of files) this.files.set(file.name, file);
    say("script-files-note", t("Scripts find in their own folder: {names}", { names: [...this.files.keys()].join(", ") }));
  }

  /** Hands the files over, then the program. @param {Program} program */
  async run(program) {
    const { known, engine } = this;
    known.train = "scripting";
    const worker = engine.worker;
    try {
      for (const [name, file] of this.files) await engine.ask("give", name, await file.arrayBuffer());
    } catch (error) {
      if (worker === engine.worker) engine.handlers.error({ message: error instanceof Error ? error.message : String(error), line: 0, recipe: true, traceback: "" });
      return;
    }
    if (worker === engine.worker && known.train === "scripting") engine.script(program);
  }

  /** It came to its end: what it printed is all there is. */
  ended() {
    if (this.known.train !== "scripting") return;
    Object.assign(this.known, { train: "idle", script: "finished" });
    this.draw();
  }
}
