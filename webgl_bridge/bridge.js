/**
 * The bridge: textures, programs, command lists and read-back on one WebGL2 context.
 * It knows nothing of tensors; only integers, text and typed arrays come in.
 * An error that begins with "context lost" says that the GPU went away: what was asked did not happen, or needs numbers that
 * are gone. The next call works again as soon as the browser gives a GPU back.
 */

import { createBands } from "./bands.js";
import { createDevice } from "./device.js";
import { createPrograms } from "./programs.js";
import { createTextures } from "./textures.js";

const MOST_INPUTS = 16; // every WebGL2 device has as many texture units for a fragment shader
const SOFTWARE = /swiftshader|llvmpipe|softpipe|basic render|software/i;
const UNTOUCHED = 0x7fb5a1d3; // bits of a NaN that no arithmetic makes

/**
 * @param {HTMLCanvasElement | OffscreenCanvas} canvas
 * @param {(state: "lost" | "back") => void} [changed]  told when the GPU goes and when it is back
 * @returns the object that `distml_py.backends.textures.Bridge` describes. Throws an Error saying what is missing.
 */
export function createBridge(canvas, changed = () => {}) {
  const device = createDevice(canvas, changed);
  const textures = createTextures(device);
  const programs = createPrograms(device);
  const bands = createBands(SOFTWARE.test(device.renderer()));
  let draws = 0;

  /** One draw, in as many bands as it needs. gl_FragCoord stays absolute, so no program knows. @param {number} cost @param {number} columns @param {number} rows */
  function draw(cost, columns, rows) {
    const gl = device.gl;
    const band = bands.rows(cost, columns, rows);
    gl.viewport(0, 0, columns, rows);
    for (let first = 0; first < rows; first += band) {
      const count = Math.min(band, rows - first);
      gl.scissor(0, first, columns, count);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
      if (bands.add(cost * columns * count, performance.now())) gl.flush();
    }
    draws++;
  }

  return {
    limits() {
      const gl = device.living();
      return JSON.stringify({
        renderer: device.renderer(),
        max_texture_size: gl.getParameter(gl.MAX_TEXTURE_SIZE),
        max_inputs: gl.getParameter(gl.MAX_TEXTURE_IMAGE_UNITS),
        max_layers: Math.min(gl.getParameter(gl.MAX_DRAW_BUFFERS), gl.getParameter(gl.MAX_COLOR_ATTACHMENTS)),
      });
    },

    /** kind: 0 float, 1 integer. Throws "out of memory: ..." when there is no room. */
    texture: textures.create,
    release: textures.release,
    upload: textures.upload,

    /**
     * scalars: one letter each, "f" or "i". cost: about how many operations on four numbers a fragment takes.
     * A text that does not compile throws with its numbered source when it is first run.
     */
    compile: programs.compile,

    /**
     * One flat list of draws: program, target, columns, rows, inputs..., scalar bits...
     * @param {Int32Array} commands
     */
    run(commands) {
      const gl = device.living();
      const bits = new Float32Array(commands.buffer, commands.byteOffset, commands.length);
      const bound = new Int32Array(MOST_INPUTS);
      let program = programs.use(commands[0]);
      let current = commands[0];
      let at = 0;
      while (at < commands.length) {
        if (commands[at] !== current) program = programs.use(commands[at]);
        current = commands[at];
        const target = commands[at + 1];
        const columns = commands[at + 2];
        const rows = commands[at + 3];
        at += 4;
        for (let unit = 0; unit < program.inputs; unit++) {
          if (bound[unit] === commands[at + unit]) continue;
          const input = textures.source(commands[at + unit]);
          bound[unit] = commands[at + unit];
          gl.activeTexture(gl.TEXTURE0 + unit);
          gl.bindTexture(input.target, input.handle);
        }
        at += program.inputs;
        for (let n = 0; n < program.scalars.length; n++) {
          if (program.scalars[n].integer) gl.uniform1i(program.scalars[n].place, commands[at + n]);
          else gl.uniform1f(program.scalars[n].place, bits[at + n]);
        }
        at += program.scalars.length;
        textures.aim(target);
        draw(program.cost, columns, rows);
      }
      device.check("it computed");
    },

    /**
     * The first `columns` x `rows` texels of a texture, waiting for every draw before.
     * @param {number} id @param {number} columns @param {number} rows
     * @returns {Float32Array | Int32Array}
     */
    read(id, columns, rows) {
      const gl = device.living();
      const texture = textures.face(id);
      const out = texture.integer ? new Int32Array(columns * rows * 4) : new Float32Array(columns * rows * 4);
      const marks = new Int32Array(out.buffer, out.length * 4 - 16);
      marks.fill(UNTOUCHED);
      gl.readPixels(0, 0, columns, rows, texture.integer ? gl.RGBA_INTEGER : gl.RGBA, texture.integer ? gl.INT : gl.FLOAT, out);
      // A lost GPU leaves `out` as it was, and the browser may tell of the loss only later: both are asked.
      device.check("numbers were read back");
      if (marks.every((bits) => bits === UNTOUCHED)) throw device.gone("no numbers came back");
      bands.done(performance.now());
      return out;
    },

    stats() {
      return JSON.stringify({ draws, ...textures.stats(), ...programs.stats(), epoch: device.epoch });
    },

    /** For tests: at most so much work in one turn of the GPU. */
    limit: bands.limit,

    /** For tests: the WEBGL_lose_context extension of the context in use. */
    loss: () => device.gl.getExtension("WEBGL_lose_context"),

    /** For tests: lose the GPU now. */
    lose() {
      device.gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}
