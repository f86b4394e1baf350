// What this tab gives to somebody else's run: shards, rate, what was not counted and why, and what the browser does to hidden tabs.

import { element, say, show } from "./elements.js";
import { t } from "./strings.js";
import * as words from "./words.js";

/** Why something did not count, for people. */
const REASONS = new Map([
  ["stale", "came too late: another tab had done it"],
  ["duplicate", "somebody else was faster"],
  ["no_lease", "nobody had asked for it"],
  ["bad_step", "belonged to another step"],
  ["invalid", "had wrong numbers or shapes"],
  ["non_finite", "held a NaN or an infinity"],
]);

export class OwnPart {
  constructor() {
    /** @type {{at: number, shards: number} | null} when this tab was hidden, and what it had done by then */
    this.hidden = null;
    this.shards = 0;
    this.reasons = "";
    document.addEventListener("visibilitychange", () => this.visibility());
  }

  /** @param {import("./status.js").Knowledge} known */
  show(known) {
    const rows = known.coordinator?.worker_list ?? [];
    const mine = rows.find((row) => row.id === known.worker);
    const shown = known.joined && known.role === "worker" && known.run !== null;
    show("own", shown);
    show("hidden-note", shown);
    if (!shown || known.run === null) return;
    const all = rows.reduce((sum, row) => sum + row.shards_done, 0);
    this.shards = mine?.shards_done ?? 0;
    say("own-samples", words.count(Math.round((this.shards * known.run.batch_size) / known.run.shards)));
    say("own-shards", words.count(this.shards));
    say("own-share", words.percent(all ? this.shards / all : 0));
    say("own-rate", mine?.samples_per_s ? words.count(Math.round(mine.samples_per_s)) : "–");
    say("own-ms", known.report?.step_ms ? `${known.report.step_ms.toFixed(0)} ms` : "–");
    this.refused(known.reasons);
  }

  /** @param {Record<string, number>} reasons */
  refused(reasons) {
    say("own-late", words.count(Object.values(reasons).reduce((sum, one) => sum + one, 0)));
    const lines = Object.entries(reasons).map(([reason, count]) => `${words.count(count)}: ${t(REASONS.get(reason) ?? reason)}`);
    if (lines.join() === this.reasons) return;
    this.reasons = lines.join();
    element("own-reasons").replaceChildren(
      ...lines.map((line) => {
        const item = document.createElement("li");
        item.textContent = line;
        return item;
      }),
    );
  }

  /** What the browser made of a hidden tab is measured, not promised. */
  visibility() {
    if (document.hidden) {
      this.hidden = { at: performance.now(), shards: this.shards };
      say("hidden-note", t("This tab is in the background: the browser may slow it down or stop it. It does what it can."));
    } else if (this.hidden !== null) {
      const s = Math.round((performance.now() - this.hidden.at) / 1000);
      const n = Math.max(0, this.shards - this.hidden.shards);
      say("hidden-note", t("In the background for {s} s, this tab computed {n} shards.", { s, n }));
      this.hidden = null;
    }
  }
}
