/** Textures by number: made, filled, released. Reuse is the caller's business. A number outlives a lost GPU, its contents do not. */

/**
 * A texture of several layers is an array texture. An array larger than a texture takes `stack` of its layers; a draw writes
 * one layer of each stack at once.
 * made, filled: in which epoch of the device it got its storage and its numbers.
 * half: its numbers take 16 bits each; they are uploaded and read as 32.
 * @typedef {{ handle: WebGLTexture | null, integer: boolean, half: boolean, width: number, height: number, layers: number, stack: number, target: number, framebuffers: (WebGLFramebuffer | null)[], made: number, filled: number }} Texture
 */

/** @param {import("./device.js").Device} device */
export function createTextures(device) {
  /** @type {Map<number, Texture>} */
  const all = new Map();
  // Textures are made and filled through a unit that no program reads, so that run() knows what its own units hold.
  const spare = device.gl.getParameter(device.gl.MAX_COMBINED_TEXTURE_IMAGE_UNITS) - 1;
  let next = 1;
  let bytes = 0;

  /** @param {number} id @returns {Texture} */
  function get(id) {
    const texture = all.get(id);
    if (!texture) throw new Error(`there is no texture ${id}`);
    if (texture.made !== device.epoch) make(texture);
    return texture;
  }

  /** @param {Texture} texture */
  function make(texture) {
    const gl = device.gl;
    const { width, height, layers, target, integer, half } = texture;
    const handle = gl.createTexture();
    if (!handle) throw device.gone("no texture could be made");
    const format = integer ? gl.RGBA32I : half ? gl.RGBA16F : gl.RGBA32F;
    gl.activeTexture(gl.TEXTURE0 + spare);
    gl.bindTexture(target, handle);
    gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    if (layers > 1) gl.texStorage3D(target, 1, format, width, height, layers);
    else gl.texStorage2D(target, 1, format, width, height);
    if (gl.getError() === gl.OUT_OF_MEMORY) {
      gl.deleteTexture(handle);
      throw new Error(`out of memory: the GPU has no room for a texture of ${width} x ${height} x ${layers}`);
    }
    Object.assign(texture, { handle, framebuffers: [], made: device.epoch });
  }

  return {
    /** @param {number} width @param {number} height @param {number} layers @param {number} stack @param {number} kind 0 float, 1 integer, 2 half float */
    create(width, height, layers, stack, kind) {
      const gl = device.living();
      const target = layers > 1 ? gl.TEXTURE_2D_ARRAY : gl.TEXTURE_2D;
      const texture = { handle: null, integer: kind === 1, half: kind === 2, width, height, layers, stack, target, framebuffers: [], made: 0, filled: device.epoch };
      make(texture);
      all.set(next, texture);
      bytes += size(texture);
      return next++;
    },

    /** A texture whose numbers will be read. @param {number} id */
    source(id) {
      const texture = get(id);
      if (texture.filled !== device.epoch) throw device.gone(`the numbers of texture ${id} went with the GPU`);
      return texture;
    },

    /** A layer, of each stack, that will be drawn into, its framebuffer bound; made at the first draw and kept as long as the texture. @param {number} id @param {number} layer */
    aim(id, layer) {
      const texture = get(id);
      const gl = device.gl;
      texture.filled = device.epoch;
      gl.bindFramebuffer(gl.FRAMEBUFFER, texture.framebuffers[layer] ?? frame(gl, texture, layer));
      return texture;
    },

    /** read(first row, how many) for each layer that `rows` rows of an array reach, with its framebuffer bound. @param {number} id @param {number} rows @param {(first: number, count: number) => void} read */
    eachLayer(id, rows, read) {
      const texture = this.source(id);
      const gl = device.gl;
      for (let layer = 0; layer * texture.height < rows; layer++) {
        gl.bindFramebuffer(gl.FRAMEBUFFER, texture.framebuffers[layer] ?? frame(gl, texture, layer));
        read(layer * texture.height, Math.min(texture.height, rows - layer * texture.height));
      }
    },

    /** Twice is once: who was interrupted asks again. @param {number} id */
    release(id) {
      const texture = all.get(id);
      if (!texture) return;
      if (texture.made === device.epoch) {
        for (const framebuffer of texture.framebuffers) device.gl.deleteFramebuffer(framebuffer ?? null);
        device.gl.deleteTexture(texture.handle);
      }
      bytes -= size(texture);
      all.delete(id);
    },

    /** @param {number} id @param {number} columns @param {number} rows @param {Float32Array | Int32Array} data */
    upload(id, columns, rows, data) {
      const gl = device.living();
      const texture = get(id);
      gl.activeTexture(gl.TEXTURE0 + spare);
      gl.bindTexture(texture.target, texture.handle);
      const [format, type] = texture.integer ? [gl.RGBA_INTEGER, gl.INT] : [gl.RGBA, gl.FLOAT];
      if (texture.layers === 1) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, columns, rows, format, type, data);
      else {
        for (let layer = 0; layer * texture.height < rows; layer++) {
          const first = layer * texture.height;
          const count = Math.min(texture.height, rows - first);
          gl.texSubImage3D(texture.target, 0, 0, 0, layer, columns, count, 1, format, type, data, first * columns * 4);
        }
      }
      texture.filled = device.epoch;
    },

    stats: () => ({ textures: all.size, texture_bytes: bytes }),
  };
}

/** In bytes. @param {Texture} texture */
const size = ({ width, height, layers, half }) => width * height * layers * (half ? 8 : 16);

/** The framebuffer of a layer of each stack of a texture, made and bound. @param {WebGL2RenderingContext} gl @param {Texture} texture @param {number} layer */
function frame(gl, texture, layer) {
  const framebuffer = gl.createFramebuffer();
  gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
  if (texture.layers > 1) {
    const places = [];
    for (let stack = 0; stack * texture.stack < texture.layers; stack++) {
      gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0 + stack, texture.handle, 0, stack * texture.stack + layer);
      places.push(gl.COLOR_ATTACHMENT0 + stack);
    }
    gl.drawBuffers(places);
  } else gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture.handle, 0);
  texture.framebuffers[layer] = framebuffer;
  return framebuffer;
}
