/**
 * The WebGL2 context, and its loss: browsers take the GPU away when a driver resets, a laptop changes its graphics card
 * or too many pages want it. A lost context is replaced by a new one; what was on the GPU is gone then, and its owners
 * know by `epoch`, the number of the context that is in use.
 */

const LOST = "context lost";
const RETRY_MS = 150; // a browser whose GPU process restarts refuses for a while; asking costs it time

/**
 * @typedef {object} Device
 * @property {WebGL2RenderingContext} gl
 * @property {number} epoch
 * @property {() => WebGL2RenderingContext} living  the context, a new one if the last was lost; throws when there is none to be had
 * @property {(what: string) => void} check         throws when the context is lost by now: what was asked of it did not happen
 * @property {() => string} renderer
 * @property {(text: string) => Error} gone         the error that tells of something the GPU took with it
 */

/** @param {HTMLCanvasElement | OffscreenCanvas} canvas @returns {WebGL2RenderingContext} */
function open(canvas) {
  const gl = /** @type {WebGL2RenderingContext | null} */ (
    canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false, stencil: false, powerPreference: "high-performance" })
  );
  if (!gl || gl.isContextLost()) throw new Error("this browser offers no WebGL2 here");
  if (!gl.getExtension("EXT_color_buffer_float")) throw new Error("this GPU cannot draw into float textures (EXT_color_buffer_float)");
  gl.bindVertexArray(gl.createVertexArray());
  gl.disable(gl.DITHER);
  gl.disable(gl.BLEND);
  gl.enable(gl.SCISSOR_TEST);
  return gl;
}

/**
 * @param {HTMLCanvasElement | OffscreenCanvas} canvas
 * @param {(state: "lost" | "back") => void} changed  told once for each loss and each return
 * @returns {Device}
 */
export function createDevice(canvas, changed) {
  let lost = false;
  let tryAfter = 0;

  function lose() {
    if (lost) return;
    lost = true;
    changed("lost");
  }

  /** @param {HTMLCanvasElement | OffscreenCanvas} watched */
  function watch(watched) {
    watched.addEventListener("webglcontextlost", (event) => {
      event.preventDefault(); // else the browser never gives this one back
      if (watched === canvas) lose();
    });
  }

  /** @type {Device} */
  const device = {
    gl: open(canvas),
    epoch: 1,

    living() {
      // The event is remembered, not only the state: a context that was lost and restored in between has nothing left.
      if (!lost && !device.gl.isContextLost()) return device.gl;
      lose();
      const now = performance.now();
      if (now < tryAfter) throw new Error(`${LOST}: the browser has not given the GPU back yet`);
      tryAfter = now + RETRY_MS;
      if (device.gl.isContextLost()) {
        canvas = new OffscreenCanvas(1, 1);
        watch(canvas);
      }
      try {
        device.gl = open(canvas);
      } catch (error) {
        throw new Error(`${LOST}: ${error instanceof Error ? error.message : error}`);
      }
      lost = false;
      tryAfter = 0;
      device.epoch++;
      changed("back");
      return device.gl;
    },

    check(what) {
      if (!lost && !device.gl.isContextLost()) return;
      lose();
      throw new Error(`${LOST}: the browser took the GPU away while ${what}`);
    },

    renderer() {
      const info = device.gl.getExtension("WEBGL_debug_renderer_info");
      return String(device.gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : device.gl.RENDERER));
    },

    gone: (text) => new Error(`${LOST}: ${text}`),
  };
  watch(canvas);
  return device;
}
