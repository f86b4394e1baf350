// The points behind the charts: one column per measure, in step order. No DOM, no clock.

const MOST_POINTS = 4000;

/**
 * @typedef {{step: number, loss: number | null, val_loss: number | null, accuracy: number | null, train_accuracy: number | null}} Point
 */

export class History {
  constructor() {
    /** @type {Point[]} */
    this.points = [];
    /** @type {string} */
    this.evaluation = "";
    this.evaluated = -1;
  }

  clear() {
    Object.assign(this, { points: [], evaluation: "", evaluated: -1 });
  }

  /**
   * Adds what is known at a step. A validation that has not changed since the last point is not a new measurement; it may be told of
   * later than it was made. Returns whether a point was added or completed.
   * @param {Point} point @param {{step: number, loss: number | null} | null} [evaluated] where the validation was made, this step when left out
   */
  add({ step, loss, val_loss, accuracy, train_accuracy }, evaluated = null) {
    const evaluation = `${val_loss} ${accuracy}`;
    const later = evaluated !== null && evaluated.step > this.evaluated;
    const fresh = (later || evaluation !== this.evaluation) && (val_loss !== null || accuracy !== null);
    const here = fresh && (evaluated === null || evaluated.step === step);
    const told = fresh && !here;
    if (told) this.complete({ ...(evaluated ?? { step, loss }), val_loss, accuracy, train_accuracy });
    if (fresh) Object.assign(this, { evaluation, evaluated: evaluated?.step ?? step });
    const last = this.points.at(-1);
    if (last && step < last.step) return told;
    if (last && step === last.step) {
      if (!here) return told;
      this.points[this.points.length - 1] = { step, loss: last.loss ?? loss, val_loss, accuracy, train_accuracy };
    } else {
      if (loss === null && !here) return told;
      const found = here ? { val_loss, accuracy, train_accuracy } : { val_loss: null, accuracy: null, train_accuracy: null };
      this.points.push({ step, loss, ...found });
    }
    if (this.points.length > MOST_POINTS) this.thin();
    return true;
  }

  /**
   * Adds what an engine reports: its last step, and every validation that it made since it reported before.
   * @param {{step: number | null, loss: number | null, val_loss: number | null, accuracy: number | null, train_accuracy: number | null,
   *   evaluations: Point[]}} news
   */
  report({ step, loss, val_loss, accuracy, train_accuracy, evaluations }) {
    if (step === null) return false;
    const point = { step, loss, val_loss, accuracy, train_accuracy };
    if (!evaluations.length) return this.add(point);
    const fresh = evaluations.filter((one) => one.step > this.evaluated);
    const added = (fresh.length ? fresh : evaluations.slice(-1)).map((one) => this.add({ ...one, step, loss }, one));
    return added.includes(true);
  }

  /** Puts a validation where it was made, among the points that are there. @param {Point} point */
  complete(point) {
    const at = this.points.findIndex(({ step }) => step >= point.step);
    const place = at < 0 ? this.points.length : at;
    const same = this.points[place]?.step === point.step;
    this.points.splice(place, same ? 1 : 0, { ...point, loss: (same ? this.points[place].loss : null) ?? point.loss });
  }

  /** The run went back to a checkpoint: what came after it did not happen. @param {number} step */
  backTo(step) {
    this.points = this.points.filter((point) => point.step <= step);
    this.evaluated = Math.min(this.evaluated, step);
  }

  /** Every second point without a validation goes; the curve keeps its shape and its evaluations. */
  thin() {
    this.points = this.points.filter((point, i) => i % 2 === 0 || point.val_loss !== null || point.accuracy !== null);
  }

  /** Puts what is older than the first point before it. Returns whether there was any. @param {Point[]} points */
  before(points) {
    const first = this.points[0]?.step ?? Infinity;
    const older = points.filter(({ step }) => step < first);
    this.points.unshift(...older);
    if (this.points.length > MOST_POINTS) this.thin();
    return older.length > 0;
  }

  /** @param {"loss" | "val_loss" | "accuracy" | "train_accuracy"} measure @returns {(number | null)[]} */
  column(measure) {
    return this.points.map((point) => point[measure]);
  }

  steps() {
    return this.points.map((point) => point.step);
  }

  /** At most `rows` points spread over the run, evaluations first, for the table. @param {number} rows @returns {Point[]} */
  sample(rows) {
    const evaluated = this.points.filter((point) => point.val_loss !== null || point.accuracy !== null);
    const from = evaluated.length > 1 ? evaluated : this.points;
    const stride = Math.max(1, Math.ceil(from.length / rows));
    return from.filter((_, i) => (from.length - 1 - i) % stride === 0);
  }
}
