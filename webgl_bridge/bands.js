/**
 * How much a GPU is given at once. A long draw stops the whole screen, so it is cut into bands, and what was sent is flushed
 * often: other pages, and this one's own frames, get their turn in between. A frame waits for all that was sent before it, so
 * little is: beyond some turns the GPU is waited for. No GL in here.
 */

const TURN_MS = 8; // half a frame at 60 Hz
const MOST_TURNS = 3; // sent and not known to be done: a frame that comes then is still there within 50 ms
const LEAST = 2 ** 22; // operations on four numbers: 10 ms on the slowest GPU met, 0.1 ms on a fast one
const REMEMBERED = 9; // paces, of which the middle one counts: a cost that is far off, or an answer heard late, is an exception
const MOST = 2 ** 40;

/** A moment: all the work sent until then. @typedef {{ total: number, at: number }} Mark */

/** @param {boolean} software a renderer without a GPU: nobody else waits for it, and short draws leave its cores idle */
export function createBands(software) {
  let budget = software ? MOST : LEAST;
  let limited = false;
  let sent = 0; // since the last flush
  let total = 0; // ever sent
  let known = 0; // of it, known to be done
  let since = 0; // nothing that is not known to be done was sent before
  /** Work in a turn, as measured last. @type {number[]} */
  const paces = [];

  /** @param {number} pace */
  function learn(pace) {
    paces.push(pace);
    if (paces.length > REMEMBERED) paces.shift();
    const sorted = [...paces].sort((a, b) => a - b);
    budget = Math.min(MOST, Math.max(LEAST, sorted[sorted.length >> 1]));
  }

  return {
    /** Rows of a draw that may go at once. @param {number} cost of one fragment @param {number} columns @param {number} rows */
    rows(cost, columns, rows) {
      return cost * columns * rows <= budget ? rows : Math.max(1, Math.floor(budget / (cost * columns)));
    },

    /** Columns of one row that may. @param {number} cost @param {number} columns */
    columns(cost, columns) {
      return cost * columns <= budget ? columns : Math.max(1, Math.floor(budget / cost));
    },

    /** Whether the GPU is to be waited for before more is sent. */
    full: () => !software && total - known >= MOST_TURNS * budget,

    /** Counts work that was sent; whether it is time to flush. @param {number} work @param {number} now */
    add(work, now) {
      if (total === known) since = now;
      total += work;
      sent += work;
      if (sent < budget) return false;
      sent = 0;
      return true;
    },

    /** Of what was sent until now, and flushed. @param {number} now @returns {Mark} */
    mark(now) {
      sent = 0;
      return { total, at: now };
    },

    /** All that was sent until the mark is done: what took how long says how fast this GPU is at least. @param {number} now @param {Mark} [mark] */
    done(now, mark = this.mark(now)) {
      const work = mark.total - known;
      if (work >= LEAST && now > since && !software && !limited) learn((work / (now - since)) * TURN_MS);
      if (mark.total <= known) return;
      known = mark.total;
      since = mark.at;
    },

    /** For tests: the budget of one turn, whatever is measured. @param {number} work */
    limit(work) {
      budget = work;
      limited = true;
    },

    budget: () => budget,
  };
}
