// The list of workers, as the coordinator tells it; this tab's own row comes first. Rows are kept and changed in place.

import { element, mark, say, show, write } from "./elements.js";
import { t } from "./strings.js";
import * as words from "./words.js";

const SILENT_S = 5;
const LONG = 30;
const PARTS = /** @type {const} */ (["name", "done", "detail"]);

/** @typedef {import("./status.js").WorkerRow} WorkerRow */

export class WorkerList {
  constructor() {
    /** @type {Map<string, HTMLLIElement>} rows by worker */
    this.rows = new Map();
    /** @type {(worker: string) => void} */
    this.kick = () => {};
    element("workers").addEventListener("click", (event) => {
      const button = /** @type {HTMLElement} */ (event.target).closest("button");
      if (button?.dataset.worker) this.kick(button.dataset.worker);
    });
  }

  /** @param {import("./status.js").Knowledge} known */
  show({ coordinator, worker, role }) {
    const list = (coordinator?.worker_list ?? []).toSorted((a, b) => Number(b.id === worker) - Number(a.id === worker));
    const total = coordinator?.workers ?? list.length;
    say("workers-count", total ? (total > list.length ? t("{n}, the first {shown} are listed", { n: total, shown: list.length }) : String(total)) : "");
    show("workers-none", list.length === 0);
    const box = element("workers");
    box.classList.toggle("long", list.length > LONG); // rows out of sight are not laid out
    const gone = new Set(this.rows.keys());
    const atWork = coordinator?.state === "training"; // else nobody has anything to say
    list.forEach((row, at) => {
      gone.delete(row.id);
      const item = this.rows.get(row.id) ?? this.make(row);
      if (box.children[at] !== item) box.insertBefore(item, box.children[at] ?? null);
      fill(item, row, { own: row.id === worker, host: role === "host", atWork });
    });
    for (const id of gone) {
      this.rows.get(id)?.remove();
      this.rows.delete(id);
    }
    show("workers-tools", role === "host" && coordinator?.locked !== undefined);
    const locked = coordinator?.locked === true;
    mark(element("lock"), "aria-pressed", String(locked));
    say("lock", t(locked ? "Unlock the run" : "Lock the run"));
  }

  /** @param {WorkerRow} row */
  make({ id }) {
    const item = document.createElement("li");
    for (const part of PARTS) {
      const span = document.createElement("span");
      span.className = part;
      item.append(span);
    }
    const button = document.createElement("button");
    button.type = "button";
    button.className = "small plain";
    button.dataset.worker = id;
    item.append(button);
    this.rows.set(id, item);
    return item;
  }
}

/** @typedef {{own: boolean, host: boolean, atWork: boolean}} Seen  own: this tab's row; host: seen by the host */

/** @param {HTMLLIElement} item @param {WorkerRow} row @param {Seen} seen */
function fill(item, row, { own, host, atWork }) {
  item.classList.toggle("active", row.contributing && atWork);
  const found = wordsOf(row, own, atWork);
  PARTS.forEach((part, at) => write(item.children[at], found[part]));
  const button = /** @type {HTMLButtonElement} */ (item.lastElementChild);
  const hidden = !host || own;
  if (button.hidden !== hidden) button.hidden = hidden;
  write(button, t("Remove"));
  const label = t("Remove {name}", { name: row.name });
  mark(button, "aria-label", label);
}

/** @param {WorkerRow} row @param {boolean} own @param {boolean} atWork */
function wordsOf(row, own, atWork) {
  const seen = !atWork ? t("connected") : row.last_seen_s > SILENT_S ? t("silent for {s} s", { s: Math.round(row.last_seen_s) }) : t(row.contributing ? "contributing" : "connected");
  const rate = row.samples_per_s ? t("{n} samples/s", { n: words.count(Math.round(row.samples_per_s)) }) : "";
  const strikes = row.quarantined ? t("in quarantine, {n} refused", { n: row.strikes }) : row.strikes ? t("{n} refused", { n: row.strikes }) : "";
  return {
    name: `${row.name}${own ? t(" (this tab)") : ""}`,
    done: row.shards_done ? words.plural(row.shards_done, "{n} shard", "{n} shards") : "",
    detail: [seen, rate, strikes, row.role === "host" ? t("host") : "", row.backend, row.device].filter(Boolean).join(" · "),
  };
}
