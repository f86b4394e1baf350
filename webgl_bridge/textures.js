/** Textures by number: made, filled, released. Reuse is the caller's business. */

/** @typedef {{ handle: WebGLTexture, integer: boolean, width: number, height: number }} Texture */

/** @param {WebGL2RenderingContext} gl */
export function createTextures(gl) {
  /** @type {Map<number, Texture>} */
  const all = new Map();
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

    /** @param {number} width @param {number} height @param {number} kind 0 float, 1 integer */
    create(width, height, kind) {
      const handle = gl.createTexture();
      if (!handle) throw new Error("context lost: no texture could be made");
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_2D, handle);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
      gl.texStorage2D(gl.TEXTURE_2D, 1, kind ? gl.RGBA32I : gl.RGBA32F, width, height);
      if (gl.getError() === gl.OUT_OF_MEMORY) throw new Error(`the GPU has no room for a texture of ${width} x ${height}`);
      all.set(next, { handle, integer: kind === 1, width, height });
      bytes += width * height * 16;
      return next++;
    },

    /** @param {number} id */
    release(id) {
      const texture = get(id);
      gl.deleteTexture(texture.handle);
      bytes -= texture.width * texture.height * 16;
      all.delete(id);
    },

    /** @param {number} id @param {number} columns @param {number} rows @param {Float32Array | Int32Array} data */
    upload(id, columns, rows, data) {
      const texture = get(id);
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_2D, texture.handle);
      const [format, type] = texture.integer ? [gl.RGBA_INTEGER, gl.INT] : [gl.RGBA, gl.FLOAT];
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, columns, rows, format, type, data);
    },

    stats: () => ({ textures: all.size, texture_bytes: bytes }),
  };
}
