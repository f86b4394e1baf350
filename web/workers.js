// The list of workers, as the coordinator tells it; this tab's own row comes first.

import { element, say, show } from "./elements.js";
import * as words from "./words.js";

const SILENT_S = 5;

/** @typedef {import("./status.js").WorkerRow} WorkerRow */

export class WorkerList {
  constructor() {
    this.drawn = "";
  }

  /** @param {WorkerRow[]} rows @param {string} own  this tab's id */
  show(rows, own) {
    const items = rows.toSorted((a, b) => Number(b.id === own) - Number(a.id === own)).map((row) => wordsOf(row, row.id === own));
    const drawn = JSON.stringify(items);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    say("workers-count", rows.length ? String(rows.length) : "");
    show("workers-none", rows.length === 0);
    element("workers").replaceChildren(...items.map(item));
  }
}

/** @param {WorkerRow} row @param {boolean} own */
function wordsOf(row, own) {
  const seen = row.last_seen_s > SILENT_S ? `silent for ${Math.round(row.last_seen_s)} s` : row.contributing ? "contributing" : "connected";
  return {
    active: row.contributing,
    name: `${row.name}${own ? " (this tab)" : ""}`,
    done: row.shards_done ? words.plural(row.shards_done, "shard") : "",
    detail: [seen, row.role === "host" ? "host" : "", row.backend, row.device].filter(Boolean).join(" · "),
  };
}

/** @param {ReturnType<typeof wordsOf>} row */
function item(row) {
  const node = document.createElement("li");
  node.classList.toggle("active", row.active);
  for (const part of /** @type {const} */ (["name", "done", "detail"])) {
    const span = document.createElement("span");
    span.className = part;
    span.textContent = row[part];
    node.append(span);
  }
  return node;
}
