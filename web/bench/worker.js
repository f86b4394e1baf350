// One contender in a worker of its own: the page opens it, hands it rows, and asks for repeats one after another.

import { digest } from "./compare.js";

const FILES = /** @type {Record<string, string>} */ ({ tfjs: "./tfjs.js", jaxjs: "./jaxjs.js" });

/** @type {any} */
let contender;

/** @type {Record<string, (asked: any) => any>} */
const VERBS = {
  async open({ name, flags, tune_s }) {
    const { open } = await import(FILES[name] ?? "./ours.js");
    contender = await open(name, flags, tune_s);
    return { version: contender.version ?? "", renderer: renderer() };
  },

  describe: ({ row }) => contender.describe(row),

  /** The row's model and inputs; then the first units, whose numbers are compared. */
  async check({ row, work, checked }) {
    await contender.prepare(row, work);
    const began = performance.now();
    const told = await contender.first();
    const first_step_ms = performance.now() - began;
    const results = [await contender.result()];
    for (let unit = 1; unit < checked; unit++) {
      await contender.repeat(1, 1);
      results.push(await contender.result());
    }
    const found = /** @type {Record<string, object>} */ ({});
    if (results[0].length === 1) found.losses = digest(Float32Array.from(results, (one) => one[0]));
    else found.output = digest(results[0]);
    for (const [name, numbers] of Object.entries(await contender.weights())) found[`weight ${name}`] = digest(numbers);
    return { first_step_ms, ...told, found };
  },

  repeat: ({ units, rounds }) => contender.repeat(units, rounds),
  roofline: () => contender.roofline(),
  close: () => contender.close(),
};

self.onmessage = async ({ data: asked }) => {
  try {
    self.postMessage({ answer: (await VERBS[asked.verb](asked)) ?? null });
  } catch (error) {
    self.postMessage({ error: error instanceof Error ? error.message : String(error) });
  }
};

/** What draws here. */
function renderer() {
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = gl && info ? String(gl.getParameter(info.UNMASKED_RENDERER_WEBGL)) : "none";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return name;
}
