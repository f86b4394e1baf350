/**
 * Programs compiled and drawn once before Python is there to ask for them: those that an earlier visit began with. A driver works
 * for long on a program's first draw; here it does so beside the start of Python. Only texts that Python asks for are ever used.
 */

const LETTERS = "fih"; // of textures: floats, integers, half floats; large ones are array textures
const MOST = 96; // programs

/** @typedef {[source: string, scalars: string, use: string]} Part  use: of its target and layers at once, a space, of its inputs */

/**
 * What a draw reads and writes, in letters.
 * @param {import("./textures.js").Texture} target @param {import("./textures.js").Texture[]} inputs
 */
export function useOf(target, inputs) {
  const letter = (/** @type {import("./textures.js").Texture} */ { integer, half, layers }) => {
    const found = LETTERS[integer ? 1 : half ? 2 : 0];
    return layers > 1 ? found.toUpperCase() : found;
  };
  return `${letter(target).toLowerCase()}${Math.ceil(target.layers / target.stack)} ${inputs.map(letter).join("")}`;
}

/**
 * @param {import("./device.js").Device} device
 * @param {ReturnType<typeof import("./programs.js").createPrograms>} programs
 */
export function createRehearsal(device, programs) {
  /** Begun, and not drawn with yet. @type {{program: import("./programs.js").Program, use: string}[]} */
  let parts = [];

  /** @param {string} letter @param {number} layers 0: no array texture */
  function texture(letter, layers) {
    const gl = device.gl;
    const handle = gl.createTexture();
    const target = layers ? gl.TEXTURE_2D_ARRAY : gl.TEXTURE_2D;
    const format = { i: gl.RGBA32I, h: gl.RGBA16F }[letter] ?? gl.RGBA32F;
    gl.bindTexture(target, handle);
    gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    if (layers) gl.texStorage3D(target, 1, format, 1, 1, layers);
    else gl.texStorage2D(target, 1, format, 1, 1);
    return { handle, target };
  }

  /** A frame buffer with so many attachments, bound. @param {string} letter @param {number} count */
  function aim(letter, count) {
    const gl = device.gl;
    const framebuffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    const { handle } = texture(letter, count > 1 ? count : 0);
    const places = Array.from({ length: count }, (_, n) => gl.COLOR_ATTACHMENT0 + n);
    for (const [layer, place] of places.entries()) {
      if (count > 1) gl.framebufferTextureLayer(gl.FRAMEBUFFER, place, handle, 0, layer);
      else gl.framebufferTexture2D(gl.FRAMEBUFFER, place, gl.TEXTURE_2D, handle, 0);
    }
    gl.drawBuffers(places);
    return { framebuffer, handle };
  }

  /** One texel with each program. What is made here is gone afterwards. @param {{program: import("./programs.js").Program, use: string}[]} all */
  function draw(all) {
    const gl = device.gl;
    /** @type {Map<string, ReturnType<typeof texture>>} */
    const inputs = new Map();
    /** @type {Map<string, ReturnType<typeof aim>>} */
    const targets = new Map();
    gl.activeTexture(gl.TEXTURE0);
    gl.viewport(0, 0, 1, 1);
    gl.scissor(0, 0, 1, 1);
    for (const { program, use } of all) {
      const [target, letters] = use.split(" ");
      if (!targets.has(target)) targets.set(target, aim(target[0], Number(target.slice(1))));
      for (const letter of letters) if (!inputs.has(letter)) inputs.set(letter, texture(letter.toLowerCase(), letter === letter.toUpperCase() ? 2 : 0));
      gl.useProgram(program.handle);
      for (const [unit, letter] of [...letters].entries()) {
        const input = /** @type {ReturnType<typeof texture>} */ (inputs.get(letter));
        gl.activeTexture(gl.TEXTURE0 + unit);
        gl.bindTexture(input.target, input.handle);
      }
      gl.bindFramebuffer(gl.FRAMEBUFFER, targets.get(target)?.framebuffer ?? null);
      gl.drawArrays(gl.TRIANGLES, 0, 3);
    }
    gl.flush();
    for (const { handle } of inputs.values()) gl.deleteTexture(handle);
    for (const { framebuffer, handle } of targets.values()) {
      gl.deleteFramebuffer(framebuffer);
      gl.deleteTexture(handle);
    }
  }

  return {
    /** Begins the programs of a record: `record()` of an earlier visit. @param {Part[]} found */
    foresee(found) {
      for (const [source, scalars, use] of found.slice(0, MOST)) {
        parts.push({ program: programs.foresee(source, use.length - use.indexOf(" ") - 1, scalars), use });
      }
    },

    /** Draws with what was foreseen; the GPU works on it while the caller goes on. */
    rehearse() {
      const all = parts;
      parts = [];
      for (const { program } of all) programs.finish(program);
      draw(all);
    },

    /** What was drawn with since the last record. @returns {Part[]} */
    record() {
      const drawn = programs.drawn();
      const found = drawn.slice(0, MOST).map(({ source, letters, use }) => /** @type {Part} */ ([source, letters, use]));
      for (const program of drawn) program.use = "";
      return found;
    },

    /** No program is kept any longer that was foreseen and not asked for. */
    forget: programs.forget,
  };
}
