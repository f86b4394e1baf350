/**
 * How much a GPU is given at once. A long draw stops the whole screen, so it is cut into bands of rows, and what was sent
 * is flushed often: other pages, and this one's own frames, get their turn in between. No GL in here.
 */

const TURN_MS = 8; // half a frame at 60 Hz
const LEAST = 2 ** 22; // operations on four numbers: 10 ms on the slowest GPU met, 0.1 ms on a fast one
const MOST = 2 ** 40;

/** @param {boolean} software a renderer without a GPU: nobody else waits for it, and short draws leave its cores idle */
export function createBands(software) {
  let budget = software ? MOST : LEAST;
  let sent = 0; // since the last flush
  let waiting = 0; // since the last time all was known to be done
  let since = 0;

  return {
    /** Rows of a draw that may go at once. @param {number} cost of one fragment @param {number} columns @param {number} rows */
    rows(cost, columns, rows) {
      return cost * columns * rows <= budget ? rows : Math.max(1, Math.floor(budget / (cost * columns)));
    },

    /** Counts work that was sent; whether it is time to flush. @param {number} work @param {number} now */
    add(work, now) {
      if (waiting === 0) since = now;
      waiting += work;
      sent += work;
      if (sent < budget) return false;
      sent = 0;
      return true;
    },

    /** All that was sent is done: what took how long says how fast this GPU is at least. @param {number} now */
    done(now) {
      if (waiting >= LEAST && now > since) budget = Math.min(MOST, Math.max(LEAST, budget, (waiting / (now - since)) * TURN_MS));
      waiting = sent = 0;
    },

    /** For tests: the budget of one turn. @param {number} work */
    limit(work) {
      budget = work;
    },

    budget: () => budget,
  };
}
