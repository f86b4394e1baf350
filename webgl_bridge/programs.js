/** Programs by number: one vertex shader for all, fragment shaders from text. A failing one shows its numbered source. */

/** @typedef {{ handle: WebGLProgram, inputs: number, scalars: { place: WebGLUniformLocation | null, integer: boolean }[] }} Program */

const TRIANGLE = `#version 300 es
void main() {
  gl_Position = vec4(float(gl_VertexID & 1) * 4.0 - 1.0, float(gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
}`;

/** @param {string} source */
const numbered = (source) => source.split("\n").map((line, n) => `${String(n + 1).padStart(4)}  ${line}`).join("\n");

/** @param {WebGL2RenderingContext} gl */
export function createPrograms(gl) {
  /** @type {Program[]} */
  const all = [];

  /** @param {number} type @param {string} source */
  function shader(type, source) {
    const handle = gl.createShader(type);
    if (!handle) throw new Error("context lost: no shader could be made");
    gl.shaderSource(handle, source);
    gl.compileShader(handle);
    return handle;
  }

  const vertex = shader(gl.VERTEX_SHADER, TRIANGLE);

  return {
    /** @param {number} id */
    get: (id) => all[id],
    count: () => all.length,

    /** @param {string} source @param {number} inputs @param {string} scalars @returns {number} */
    compile(source, inputs, scalars) {
      const handle = gl.createProgram();
      if (!handle) throw new Error("context lost: no program could be made");
      const fragment = shader(gl.FRAGMENT_SHADER, source);
      gl.attachShader(handle, vertex);
      gl.attachShader(handle, fragment);
      gl.linkProgram(handle);
      if (!gl.getProgramParameter(handle, gl.LINK_STATUS)) {
        const log = gl.getShaderInfoLog(fragment) || gl.getProgramInfoLog(handle);
        throw new Error(gl.isContextLost() ? "context lost while compiling" : `shader failed: ${log}\n${numbered(source)}`);
      }
      gl.deleteShader(fragment);
      gl.useProgram(handle);
      for (let unit = 0; unit < inputs; unit++) gl.uniform1i(gl.getUniformLocation(handle, `t${unit}`), unit);
      const places = [...scalars].map((letter, n) => ({ place: gl.getUniformLocation(handle, `s${n}`), integer: letter === "i" }));
      all.push({ handle, inputs, scalars: places });
      return all.length - 1;
    },
  };
}
