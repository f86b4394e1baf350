/**
 * Programs by number: one vertex shader for all, fragment shaders from text. A failing one shows its numbered source.
 * Whether a text compiled is asked when it is first drawn with: until then the driver works on several at once.
 */

/** @typedef {{ place: WebGLUniformLocation | null, integer: boolean }} Uniform */
/**
 * made: the epoch of the device in which it was linked; ready: its uniforms are known. cost: see bridge.compile. use: what it was
 * first drawn with (rehearsal.js), "" before.
 * @typedef {{ source: string, inputs: number, letters: string, cost: number, handle: WebGLProgram | null, fragment: WebGLShader | null, scalars: Uniform[], made: number, ready: boolean, use: string }} Program
 */

const TRIANGLE = `#version 300 es
void main() {
  gl_Position = vec4(float(gl_VertexID & 1) * 4.0 - 1.0, float(gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
}`;

/** @param {string} source */
const numbered = (source) => source.split("\n").map((line, n) => `${String(n + 1).padStart(4)}  ${line}`).join("\n");

/** @param {import("./device.js").Device} device */
export function createPrograms(device) {
  /** @type {Map<number, Program>} */
  const all = new Map();
  /** Begun before anybody asked, by text. @type {Map<string, Program>} */
  const foreseen = new Map();
  let last = 0; // numbers are not used again
  /** @type {WebGLShader | null} */
  let vertex = null;
  let vertexMade = 0;
  let waited = 0;

  /** @param {number} type @param {string} source */
  function shader(type, source) {
    const handle = device.gl.createShader(type);
    if (!handle) throw device.gone("no shader could be made");
    device.gl.shaderSource(handle, source);
    device.gl.compileShader(handle);
    return handle;
  }

  /** @param {Program} program */
  function begin(program) {
    const gl = device.gl;
    if (vertexMade !== device.epoch) vertex = shader(gl.VERTEX_SHADER, TRIANGLE);
    vertexMade = device.epoch;
    const handle = gl.createProgram();
    if (!handle || !vertex) throw device.gone("no program could be made");
    program.fragment = shader(gl.FRAGMENT_SHADER, program.source);
    gl.attachShader(handle, vertex);
    gl.attachShader(handle, program.fragment);
    gl.linkProgram(handle);
    gl.flush(); // the driver begins now, beside the Python that writes the next one
    Object.assign(program, { handle, made: device.epoch, ready: false });
  }

  /** @param {Program} program */
  function finish(program) {
    const gl = device.gl;
    const { handle, fragment } = program;
    if (!handle || !fragment) throw device.gone("no program could be made");
    const began = performance.now();
    if (!gl.getProgramParameter(handle, gl.LINK_STATUS)) {
      device.check("it compiled a shader");
      const log = gl.getShaderInfoLog(fragment) || gl.getProgramInfoLog(handle);
      throw new Error(`shader failed: ${log}\n${numbered(program.source)}`);
    }
    gl.deleteShader(fragment);
    program.fragment = null;
    gl.useProgram(handle);
    for (let unit = 0; unit < program.inputs; unit++) gl.uniform1i(gl.getUniformLocation(handle, `t${unit}`), unit);
    program.scalars = [...program.letters].map((letter, n) => ({ place: gl.getUniformLocation(handle, `s${n}`), integer: letter === "i" }));
    program.ready = true;
    waited += performance.now() - began;
  }

  /** @param {string} source @param {number} inputs @param {string} letters @param {number} cost @returns {Program} */
  function begun(source, inputs, letters, cost) {
    const program = { source, inputs, letters, cost, handle: null, fragment: null, scalars: [], made: 0, ready: false, use: "" };
    begin(program);
    return program;
  }

  /** What was foreseen, if it is what is asked for now. @param {string} source @param {number} inputs @param {string} letters @param {number} cost */
  function taken(source, inputs, letters, cost) {
    const found = foreseen.get(source);
    if (!found || found.inputs !== inputs || found.letters !== letters) return null;
    foreseen.delete(source);
    return Object.assign(found, { cost });
  }

  return {
    /** A program to draw with: in use, its samplers set. @param {number} id */
    use(id) {
      const program = all.get(id);
      if (!program) throw new Error(`there is no program ${id}`);
      if (program.made !== device.epoch) begin(program);
      if (!program.ready) finish(program);
      device.gl.useProgram(program.handle);
      return program;
    },

    /** @param {string} source @param {number} inputs @param {string} scalars @param {number} cost @returns {number} */
    compile(source, inputs, scalars, cost) {
      device.living();
      all.set(++last, taken(source, inputs, scalars, cost) ?? begun(source, inputs, scalars, cost));
      return last;
    },

    /** Twice is once: who was interrupted asks again. @param {number} id */
    discard(id) {
      const program = all.get(id);
      if (!program) return;
      all.delete(id);
      if (program.made !== device.epoch) return;
      device.gl.deleteShader(program.fragment);
      device.gl.deleteProgram(program.handle);
    },

    /** Begins a program that may be asked for. @param {string} source @param {number} inputs @param {string} scalars @returns {Program} */
    foresee(source, inputs, scalars) {
      const program = begun(source, inputs, scalars, 1);
      foreseen.set(source, program);
      return program;
    },

    finish,

    /** Those that nobody asked for go. */
    forget() {
      for (const { made, fragment, handle } of foreseen.values()) {
        if (made !== device.epoch) continue;
        device.gl.deleteShader(fragment);
        device.gl.deleteProgram(handle);
      }
      foreseen.clear();
    },

    /** Those that were drawn with, in the order in which they were asked for. */
    drawn: () => [...all.values()].filter(({ use }) => use !== ""),

    stats: () => ({ programs: all.size, compile_wait_ms: waited }),
  };
}
