/**
 * The bridge: textures, programs, command lists and read-back on one WebGL2 context.
 * It knows nothing of tensors; only integers, text and typed arrays come in.
 */

import { createPrograms } from "./programs.js";
import { createTextures } from "./textures.js";

const MOST_INPUTS = 16; // every WebGL2 device has as many texture units for a fragment shader

/**
 * @param {HTMLCanvasElement | OffscreenCanvas} canvas
 * @returns the object that `distml_py.backends.webgl.Bridge` describes. Throws an Error saying what is missing.
 */
export function createBridge(canvas) {
  const gl = /** @type {WebGL2RenderingContext | null} */ (
    canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, stencil: false, powerPreference: "high-performance" })
  );
  if (!gl) throw new Error("this browser offers no WebGL2 here");
  if (!gl.getExtension("EXT_color_buffer_float")) throw new Error("this GPU cannot draw into float textures (EXT_color_buffer_float)");

  const textures = createTextures(gl);
  const programs = createPrograms(gl);
  gl.bindVertexArray(gl.createVertexArray());
  gl.disable(gl.DITHER);
  gl.disable(gl.BLEND);
  let draws = 0;

  /** Reads stale numbers after a loss, so the question is asked after every read-back, not before. */
  function alive() {
    if (gl.isContextLost()) throw new Error("context lost: the browser took the GPU away");
  }

  return {
    limits() {
      const info = gl.getExtension("WEBGL_debug_renderer_info");
      return JSON.stringify({
        renderer: gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER),
        max_texture_size: gl.getParameter(gl.MAX_TEXTURE_SIZE),
        max_inputs: gl.getParameter(gl.MAX_TEXTURE_IMAGE_UNITS),
        max_layers: Math.min(gl.getParameter(gl.MAX_DRAW_BUFFERS), gl.getParameter(gl.MAX_COLOR_ATTACHMENTS)),
      });
    },

    /** kind: 0 float, 1 integer. */
    texture: textures.create,
    release: textures.release,
    upload: textures.upload,

    /** scalars: one letter each, "f" or "i". Throws with the numbered source when it does not compile. */
    compile: programs.compile,

    /**
     * One flat list of draws: program, target, columns, rows, inputs..., scalar bits...
     * @param {Int32Array} commands
     */
    run(commands) {
      const bits = new Float32Array(commands.buffer, commands.byteOffset, commands.length);
      const bound = new Int32Array(MOST_INPUTS);
      let current = -1;
      let at = 0;
      while (at < commands.length) {
        const program = programs.get(commands[at]);
        if (commands[at] !== current) gl.useProgram(program.handle);
        current = commands[at];
        const target = textures.get(commands[at + 1]);
        const columns = commands[at + 2];
        const rows = commands[at + 3];
        at += 4;
        for (let unit = 0; unit < program.inputs; unit++) {
          if (bound[unit] === commands[at + unit]) continue;
          bound[unit] = commands[at + unit];
          const input = textures.get(bound[unit]);
          gl.activeTexture(gl.TEXTURE0 + unit);
          gl.bindTexture(input.target, input.handle);
        }
        at += program.inputs;
        for (let n = 0; n < program.scalars.length; n++) {
          if (program.scalars[n].integer) gl.uniform1i(program.scalars[n].place, commands[at + n]);
          else gl.uniform1f(program.scalars[n].place, bits[at + n]);
        }
        at += program.scalars.length;
        gl.bindFramebuffer(gl.FRAMEBUFFER, textures.framebuffer(target));
        gl.viewport(0, 0, columns, rows);
        gl.drawArrays(gl.TRIANGLES, 0, 3);
        draws++;
      }
    },

    /**
     * The first `columns` x `rows` texels of a texture, waiting for every draw before.
     * @param {number} id @param {number} columns @param {number} rows
     * @returns {Float32Array | Int32Array}
     */
    read(id, columns, rows) {
      const texture = textures.get(id);
      const out = texture.integer ? new Int32Array(columns * rows * 4) : new Float32Array(columns * rows * 4);
      gl.bindFramebuffer(gl.FRAMEBUFFER, textures.framebuffer(texture));
      gl.readPixels(0, 0, columns, rows, texture.integer ? gl.RGBA_INTEGER : gl.RGBA, texture.integer ? gl.INT : gl.FLOAT, out);
      alive();
      return out;
    },

    stats() {
      return JSON.stringify({ draws, ...textures.stats(), programs: programs.count() });
    },

    /** The WEBGL_lose_context extension, for tests. */
    lose() {
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}
