// Views of small tasks: the border a classifier draws in a plane, and the line of a function of one number.

import { make } from "./pictures.js";
import { t } from "./strings.js";
import { colour } from "./theme.js";

const COLOURS = ["--class-0", "--class-1", "--class-2", "--class-3"];
const SIDE = 360;

/** @type {import("./looking.js").LookView} */
export const BOUNDARY = {
  title: "Border",
  open({ box, about }) {
    const canvas = plane(box);
    const key = make("p", "", "quiet");
    about.classes.forEach((name, at) => {
      const swatch = make("span", "", "swatch");
      swatch.style.background = `var(${COLOURS[at % COLOURS.length]})`;
      key.append(swatch, ` ${name}  `);
    });
    box.append(key);
    return {
      show(found) {
        drawBorder(canvas, found);
        const shares = about.classes.map((name, at) => `${name} ${Math.round((100 * found.answers.filter((/** @type {number} */ one) => one === at).length) / found.answers.length)} %`);
        canvas.setAttribute("aria-label", t("Which part of the plane the model gives to each class: {shares}", { shares: shares.join(", ") }));
      },
    };
  },
};

/** @type {import("./looking.js").LookView} */
export const CURVE = {
  title: "Line",
  open({ box }) {
    const canvas = plane(box);
    return {
      show(found) {
        drawCurve(canvas, found);
        canvas.setAttribute("aria-label", t("The model's line, from {first} to {last}, and {n} samples", { first: found.line_y[0].toFixed(2), last: found.line_y.at(-1).toFixed(2), n: found.x.length }));
      },
    };
  },
};

/** @param {HTMLElement} box */
function plane(box) {
  const canvas = make("canvas", "", "plane");
  canvas.width = canvas.height = SIDE;
  canvas.setAttribute("role", "img");
  box.append(canvas);
  return canvas;
}

/** @param {HTMLCanvasElement} canvas @param {any} found */
function drawBorder(canvas, { size, answers, sure, points, labels, low, high }) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const colours = COLOURS.map(colour);
  const step = SIDE / size;
  pen.clearRect(0, 0, SIDE, SIDE);
  answers.forEach((/** @type {number} */ answer, /** @type {number} */ at) => {
    pen.globalAlpha = 0.15 + 0.5 * Math.max(0, sure[at] - 0.5);
    pen.fillStyle = colours[answer % colours.length];
    pen.fillRect((at % size) * step, Math.floor(at / size) * step, step + 1, step + 1);
  });
  pen.globalAlpha = 1;
  points.forEach((/** @type {number[]} */ [x, y], /** @type {number} */ at) => {
    pen.fillStyle = colours[labels[at] % colours.length];
    dot(pen, ((x - low[0]) / (high[0] - low[0])) * SIDE, (1 - (y - low[1]) / (high[1] - low[1])) * SIDE, 3);
  });
}

/** @param {HTMLCanvasElement} canvas @param {any} found */
function drawCurve(canvas, { x, y, line_x, line_y }) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const all = [...y, ...line_y];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const [left, right] = [line_x[0], line_x.at(-1)];
  const across = (/** @type {number} */ one) => 10 + ((one - left) / (right - left || 1)) * (SIDE - 20);
  const up = (/** @type {number} */ one) => SIDE - 10 - ((one - low) / (high - low || 1)) * (SIDE - 20);
  pen.clearRect(0, 0, SIDE, SIDE);
  pen.fillStyle = colour("--class-0");
  pen.globalAlpha = 0.5;
  x.forEach((/** @type {number} */ one, /** @type {number} */ at) => dot(pen, across(one), up(y[at]), 2.5));
  pen.globalAlpha = 1;
  Object.assign(pen, { strokeStyle: colour("--class-1"), lineWidth: 3 });
  pen.beginPath();
  line_x.forEach((/** @type {number} */ one, /** @type {number} */ at) => pen.lineTo(across(one), up(line_y[at])));
  pen.stroke();
}

/** @param {CanvasRenderingContext2D} pen @param {number} x @param {number} y @param {number} radius */
function dot(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.fill();
}
