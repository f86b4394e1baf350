/** Textures by number: made, filled, released. Reuse is the caller's business. */

/**
 * A texture of several layers is an array texture; a draw into it writes all its layers at once.
 * @typedef {{ handle: WebGLTexture, integer: boolean, width: number, height: number, layers: number, target: number, framebuffer: WebGLFramebuffer | null }} Texture
 */

/** @param {WebGL2RenderingContext} gl */
export function createTextures(gl) {
  /** @type {Map<number, Texture>} */
  const all = new Map();
  // Textures are made and filled through a unit that no program reads, so that run() knows what its own units hold.
  const spare = gl.getParameter(gl.MAX_COMBINED_TEXTURE_IMAGE_UNITS) - 1;
  let next = 1;
  let bytes = 0;

  /** @param {number} id @returns {Texture} */
  function get(id) {
    const texture = all.get(id);
    if (!texture) throw new Error(`there is no texture ${id}`);
    return texture;
  }

  return {
    get,

    /** @param {number} width @param {number} height @param {number} layers @param {number} kind 0 float, 1 integer */
    create(width, height, layers, kind) {
      const handle = gl.createTexture();
      if (!handle) throw new Error("context lost: no texture could be made");
      const target = layers > 1 ? gl.TEXTURE_2D_ARRAY : gl.TEXTURE_2D;
      const format = kind ? gl.RGBA32I : gl.RGBA32F;
      gl.activeTexture(gl.TEXTURE0 + spare);
      gl.bindTexture(target, handle);
      gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
      gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
      gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
      gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
      if (layers > 1) gl.texStorage3D(target, 1, format, width, height, layers);
      else gl.texStorage2D(target, 1, format, width, height);
      if (gl.getError() === gl.OUT_OF_MEMORY) throw new Error(`the GPU has no room for a texture of ${width} x ${height} x ${layers}`);
      all.set(next, { handle, integer: kind === 1, width, height, layers, target, framebuffer: null });
      bytes += width * height * layers * 16;
      return next++;
    },

    /** The framebuffer that draws into a texture; made at the first draw and kept as long as the texture. @param {Texture} texture */
    framebuffer(texture) {
      if (texture.framebuffer) return texture.framebuffer;
      texture.framebuffer = gl.createFramebuffer();
      gl.bindFramebuffer(gl.FRAMEBUFFER, texture.framebuffer);
      if (texture.layers > 1) {
        const places = [];
        for (let layer = 0; layer < texture.layers; layer++) {
          gl.framebufferTextureLayer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0 + layer, texture.handle, 0, layer);
          places.push(gl.COLOR_ATTACHMENT0 + layer);
        }
        gl.drawBuffers(places);
      } else gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture.handle, 0);
      return texture.framebuffer;
    },

    /** @param {number} id */
    release(id) {
      const texture = get(id);
      gl.deleteFramebuffer(texture.framebuffer);
      gl.deleteTexture(texture.handle);
      bytes -= texture.width * texture.height * texture.layers * 16;
      all.delete(id);
    },

    /** @param {number} id @param {number} columns @param {number} rows @param {Float32Array | Int32Array} data */
    upload(id, columns, rows, data) {
      const texture = get(id);
      gl.activeTexture(gl.TEXTURE0 + spare);
      gl.bindTexture(gl.TEXTURE_2D, texture.handle);
      const [format, type] = texture.integer ? [gl.RGBA_INTEGER, gl.INT] : [gl.RGBA, gl.FLOAT];
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, columns, rows, format, type, data);
    },

    stats: () => ({ textures: all.size, texture_bytes: bytes }),
  };
}
