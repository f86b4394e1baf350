// The page /bench: a person chooses rows and presses Run; `nox -s bench` calls window.bench.run and adds PyTorch from outside.

import { ROWS, run } from "./measure.js";

/** @type {[string, (row: any) => number | null, number][]} heading, value, digits */
const COLUMNS = [
  ["captured", (row) => row.captured_ms, 2],
  ["eager", (row) => row.eager_ms, 2],
  ["TensorFlow.js", (row) => row.tfjs_webgl_ms, 2],
  ["times faster", (row) => row.ratio_tfjs, 2],
  ["jax-js", (row) => row.jaxjs_webgl_ms, 2],
  ["NumPy", (row) => row.numpy_pyodide_ms, 2],
  ["PyTorch CPU", (row) => row.torch_cpu_ms, 2],
  ["draws", (row) => row.draws, 0],
  ["Python", (row) => row.python_ms, 2],
  ["textures, MiB", (row) => (row.texture_bytes === null ? null : row.texture_bytes / 2 ** 20), 1],
  ["longest frame", (row) => row.frame_gap_ms, 0],
  ["first step", (row) => row.first_step_ms, 0],
  ["of it planning", (row) => row.compile_ms, 0],
];

const part = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

/** @param {string} text @param {string} kind */
function cell(text, kind) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}

/** @param {any} row */
function show(row) {
  const line = document.createElement("tr");
  const name = cell(row.checked ? row.name : `${row.name} (failed)`, "th");
  line.append(name, ...COLUMNS.map(([, value, digits]) => cell(value(row) === null ? "–" : Number(value(row)).toFixed(digits), "td")));
  part("times").append(line);
  for (const text of rooflines(row)) part("kernels").append(cell(text, "li"));
  for (const [who, why] of Object.entries(row.notes)) part("notes").append(cell(`${row.name}, ${who}: ${why}`, "li"));
}

/** What each kernel of a row reaches, as lines for people. @param {any} row @returns {string[]} */
function rooflines(row) {
  if (!row.roofline) return [];
  const { copy_gb_per_s, matmul_gflops, kernels } = row.roofline;
  const percent = (/** @type {number} */ share) => `${(share * 100).toFixed(0)} %`;
  const head = `${row.name}: a plain copy moves ${copy_gb_per_s.toFixed(1)} GB/s here, the best product does ${matmul_gflops.toFixed(1)} GFLOP/s`;
  return [head, ...kernels.map((/** @type {any} */ one) =>
    `${row.name}, ${one.kernel} of ${one.op}: ${one.ms.toFixed(2)} ms in ${one.draws} draws, ${percent(one.of_copy)} of the copy, ${percent(one.of_matmul)} of the product`)];
}

/** @param {any} options of measure.run; said(text) and onRow(row) hear what the page shows */
async function shown(options) {
  for (const id of ["times", "notes", "kernels"]) part(id).replaceChildren();
  part("run").disabled = true;
  try {
    const say = (/** @type {string} */ text) => {
      part("said").textContent = text;
      options.said?.(text);
    };
    const onRow = (/** @type {any} */ row) => {
      show(row);
      options.onRow?.(row);
    };
    const found = await run({ ...options, say, onRow });
    part("json").value = JSON.stringify(found, null, 1);
    part("copy").disabled = false;
    say(`Done on ${/** @type {any} */ (found.machine).renderer ?? "this device"}.`);
    return found;
  } catch (error) {
    part("said").textContent = `The benchmark stopped: ${/** @type {Error} */ (error).message}`;
    throw error;
  } finally {
    part("run").disabled = false;
  }
}

for (const name of ROWS) {
  const label = cell(` ${name}`, "label");
  const box = Object.assign(document.createElement("input"), { type: "checkbox", name, checked: true });
  label.prepend(box);
  part("rows").append(label);
}
const headings = document.createElement("tr");
headings.append(...["", ...COLUMNS.map(([heading]) => heading)].map((heading) => cell(heading, "th")));
part("heads").append(headings);
part("run").onclick = () => {
  const boxes = /** @type {HTMLInputElement[]} */ ([...part("rows").querySelectorAll("input")]);
  shown({ rows: boxes.filter((box) => box.checked).map((box) => box.name), roofline: true }).catch(() => {});
};
part("copy").onclick = () => {
  part("json").select();
  document.execCommand("copy"); // the clipboard's newer interface is missing on plain http
};
/** @type {any} */ (window).bench = { run: shown, ROWS };
