// The parts beside training, each a module of its own: opened here, and told what happens.

import { copyOf } from "./copying.js";
import { element } from "./elements.js";
import { startDuty } from "./duty.js";
import { embeddedRecipe, openEmbedded } from "./embedded.js";
import { Lessons } from "./lessons.js";
import { Looking } from "./looking.js";
import { Models } from "./models.js";
import { openOwnData } from "./own_data.js";
import { Projector } from "./projector.js";
import { linkWith, sharedCode } from "./share_link.js";
import { runState } from "./status.js";

/**
 * @typedef {object} Ship  what the parts work with
 * @property {import("./status.js").Knowledge} known
 * @property {import("./engine.js").Engine} engine
 * @property {import("./editor.js").Editor} editor
 * @property {import("./recipes.js").RecipeList} recipes
 * @property {import("./runs.js").Runs} runs
 * @property {import("./curves.js").Curves} curves
 * @property {import("./scripts.js").Scripts} scripts
 * @property {import("./pilot.js").Pilot} pilot
 * @property {string} token
 * @property {(problem: {message: string, next: string} | null) => void} tell
 * @property {() => void} draw
 */

/** @param {Ship} ship */
export function openPanels(ship) {
  const { known, engine, recipes, pilot, token } = ship;
  const looking = new Looking(known, engine);
  const projector = new Projector(ship);
  const models = new Models(ship, looking);
  const lessons = new Lessons(ship);
  openOwnData(ship);
  startDuty(engine);
  const tellAround = openEmbedded(ship);
  let shared = sharedCode();
  if (shared !== null) recipes.taken = true; // the first example must not replace it
  for (const type of ["dragover", "drop"]) {
    addEventListener(type, (event) => {
      // beside its place a file is not taken; the browser would leave the page for it
      if (/** @type {DragEvent} */ (event).dataTransfer?.types.includes("Files")) event.preventDefault();
    });
  }
  const link = /** @type {HTMLInputElement} */ (element("join-link"));
  link.addEventListener("focus", () => link.select());
  element("copy").addEventListener("click", () => copyOf(link.value, element("copy"), link));
  element("share-code").addEventListener("click", () => copyOf(linkWith(recipes, ship.scripts.wanted, token, ship), element("share-code")));
  element("lock").addEventListener("click", () => pilot.command(known.coordinator?.locked ? "unlock" : "lock"));
  element("workers").addEventListener("click", (event) => {
    const worker = /** @type {HTMLElement} */ (event.target).closest("button")?.dataset.worker;
    if (worker) pilot.command("kick", worker);
  });
  const showShared = () => {
    if (shared === null) return;
    recipes.put(shared);
    recipes.pinned = true;
    ship.scripts.switch.checked = shared.as_torch;
    shared = null; // once: a connection that comes back must not undo what was written since
  };
  return {
    /** @returns {ArrayBuffer | null} */
    weights: () => models.weights,
    welcome() {
      if (known.role === "host") showShared();
      projector.welcome();
    },
    /** Who may not train here sees all the same what the link carries. */
    refused: showShared,
    invited: () => projector.welcome(),
    engineReady: () => models.ready(),
    /** The language has changed: what was made before is made anew. */
    relabel() {
      recipes.gallery();
      lessons.list();
      looking.relabel();
      models.list();
    },
    ended: () => models.ended(),
    /** @param {import("./status.js").CoordinatorStatus} status */
    status: (status) => projector.measure(status),
    draw() {
      if (known.run === null && runState(known) === null && looking.seen && !models.loaded) looking.end();
      looking.draw();
      projector.draw();
      lessons.draw();
      tellAround();
    },
    /** The example that the address asks for. */
    wanted: embeddedRecipe(),
    api: {},
  };
}
