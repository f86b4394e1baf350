// Draw something, and the model answers while it trains. The drawing can be typed as well: a row of signs for a row of pixels.

import { make } from "./pictures.js";
import { t } from "./strings.js";
import * as words from "./words.js";

const SIDE = 224; // of the canvas, in its own pixels
const PEN = 28; // as thick, against a digit, as the strokes of the digits that models here learn from
const INK = "#";

/** @type {import("./looking.js").LookView} */
export const ANSWER = {
  title: "Draw",
  open({ box, about, again }) {
    const [, height, width] = about.shape;
    const canvas = make("canvas", "", "drawing");
    canvas.width = canvas.height = SIDE;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", t("Drawing field. It can also be filled by typing, in the field beside it."));
    const typed = make("textarea", "", "typed");
    typed.rows = height;
    typed.cols = width;
    typed.spellcheck = false;
    typed.wrap = "off";
    typed.style.width = `${width * 0.86 + 2.2}em`; // a sign and its spacing, and the field's edges
    typed.id = "typed-drawing";
    const label = make("label", t("The same as signs: # is ink, . is none"));
    label.htmlFor = typed.id;
    const clear = make("button", t("Clear"), "small");
    clear.type = "button";
    const bars = make("ul", "", "bars");
    bars.setAttribute("aria-label", t("What the model says"));
    const said = make("p", "", "said");
    said.setAttribute("role", "status");
    const left = make("div", "", "stack");
    left.append(canvas, clear);
    const middle = make("div", "", "stack");
    middle.append(label, typed);
    const right = make("div", "", "stack");
    right.append(said, bars);
    const row = make("div", "", "draw-row");
    row.append(left, middle, right);
    box.append(make("p", t("Draw one of: {classes}. The model answers while it trains.", { classes: about.classes.join(", ") }), "quiet"), row);
    let ink = new Array(width * height).fill(0);
    const pad = new Pad(canvas, () => {
      ink = pad.drawn(width, height);
      typed.value = rowsOf(ink, width);
      again();
    });
    clear.addEventListener("click", () => pad.clear());
    typed.addEventListener("input", () => {
      pad.fill(inkOf(typed.value, width, height), width, height);
      ink = pad.drawn(width, height); // as large, and as much in the middle, as what is drawn
      again();
    });
    typed.value = rowsOf(ink, width);
    return {
      options: () => ({ ink }),
      show({ scores, answer }) {
        const blank = ink.every((one) => one === 0);
        said.textContent = blank ? t("Nothing is drawn yet.") : t("It says: {answer} ({sure})", { answer: about.classes[answer], sure: words.percent(scores[answer]) });
        bars.replaceChildren(...scores.map((/** @type {number} */ score, /** @type {number} */ at) => bar(about.classes[at], blank ? 0 : score)));
      },
    };
  },
};

/** @param {string} name @param {number} score */
function bar(name, score) {
  const item = make("li");
  const fill = make("span", "", "fill");
  fill.style.width = `${Math.round(score * 100)}%`;
  item.append(make("span", name), fill, make("small", words.percent(score)));
  return item;
}

/** A canvas to draw on with mouse, pen or finger. */
class Pad {
  /** @param {HTMLCanvasElement} canvas @param {() => void} changed */
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;
    this.pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
    /** @type {{x: number, y: number} | null} */
    this.last = null;
    this.blank();
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.last = this.place(event);
      this.line(event);
    });
    canvas.addEventListener("pointermove", (event) => this.last && this.line(event));
    canvas.addEventListener("pointerup", () => {
      this.last = null;
      this.changed();
    });
  }

  blank() {
    this.pen.fillStyle = "#000";
    this.pen.fillRect(0, 0, SIDE, SIDE);
  }

  clear() {
    this.blank();
    this.changed();
  }

  /** @param {number} width @param {number} height */
  drawn(width, height) {
    return shrunk(this.pen.getImageData(0, 0, SIDE, SIDE).data, width, height);
  }

  /** @param {PointerEvent} event */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * SIDE, y: ((event.clientY - box.top) / box.height) * SIDE };
  }

  /** @param {PointerEvent} event */
  line(event) {
    const to = this.place(event);
    const from = this.last ?? to;
    Object.assign(this.pen, { strokeStyle: "#fff", lineWidth: PEN, lineCap: "round" });
    this.pen.beginPath();
    this.pen.moveTo(from.x, from.y);
    this.pen.lineTo(to.x + 0.01, to.y);
    this.pen.stroke();
    this.last = to;
  }

  /** @param {number[]} ink @param {number} width @param {number} height */
  fill(ink, width, height) {
    this.blank();
    ink.forEach((one, at) => {
      this.pen.fillStyle = `rgb(${one * 255} ${one * 255} ${one * 255})`;
      this.pen.fillRect(((at % width) * SIDE) / width, (Math.floor(at / width) * SIDE) / height, SIDE / width, SIDE / height);
    });
  }
}

/** The drawing cut out, centred and shrunk to the model's pixels: 0 to 1 each. @param {Uint8ClampedArray} data @param {number} width @param {number} height */
function shrunk(data, width, height) {
  let [left, top, right, bottom] = [SIDE, SIDE, -1, -1];
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      if (data[4 * (y * SIDE + x)] < 40) continue;
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
    }
  }
  const ink = new Array(width * height).fill(0);
  if (right < 0) return ink;
  const side = Math.max(right - left, bottom - top) + 1 + PEN / 4;
  const [x0, y0] = [(left + right - side) / 2, (top + bottom - side) / 2];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      ink[row * width + column] = mean(data, x0 + (column * side) / width, y0 + (row * side) / height, side / width, side / height);
    }
  }
  return ink;
}

/** @param {Uint8ClampedArray} data @param {number} x @param {number} y @param {number} width @param {number} height */
function mean(data, x, y, width, height) {
  let sum = 0;
  let count = 0;
  for (let row = Math.floor(y); row < y + height; row++) {
    for (let column = Math.floor(x); column < x + width; column++) {
      count += 1;
      if (row >= 0 && row < SIDE && column >= 0 && column < SIDE) sum += data[4 * (row * SIDE + column)];
    }
  }
  return sum / Math.max(count, 1) / 255;
}

/** @param {number[]} ink @param {number} width */
function rowsOf(ink, width) {
  return ink.map((one, at) => (one > 0.35 ? INK : ".") + (at % width === width - 1 ? "\n" : "")).join("").trimEnd();
}

/** @param {string} text @param {number} width @param {number} height */
function inkOf(text, width, height) {
  const rows = text.split("\n");
  return Array.from({ length: width * height }, (_, at) => (rows[Math.floor(at / width)]?.[at % width] === INK ? 1 : 0));
}
