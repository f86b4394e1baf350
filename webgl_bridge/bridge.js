/**
 * The bridge: textures, programs, command lists and read-back on one WebGL2 context.
 * It knows nothing of tensors; only integers, text and typed arrays come in.
 * An error that begins with "context lost" says that the GPU went away: what was asked did not happen, or needs numbers that
 * are gone. The next call works again as soon as the browser gives a GPU back.
 */

import { createBands } from "./bands.js";
import { createDevice } from "./device.js";
import { createPrograms } from "./programs.js";
import { createRehearsal, useOf } from "./rehearsal.js";
import { createTextures } from "./textures.js";

const MOST_INPUTS = 16; // every WebGL2 device has as many texture units for a fragment shader
/** Read-back buffers kept per size, and the largest that is kept at all. */
const MOST_PACKS = 8;
const LARGEST_PACK = 1 << 16;
const SOFTWARE = /swiftshader|llvmpipe|softpipe|basic render|software/i;
const UNTOUCHED = 0x7fb5a1d3; // bits of a NaN that no arithmetic makes
const [FLOATS, WHOLE] = [new Float32Array(4), new Int32Array(4)]; // a texel that nobody looks at
const MARKS = new Int32Array(4).fill(UNTOUCHED); // the last texel of a read-back that did not happen

/**
 * @param {HTMLCanvasElement | OffscreenCanvas} canvas
 * @param {(state: "lost" | "back") => void} [changed]  told when the GPU goes and when it is back
 * @param {boolean} [alone]  whether nobody else waits for what draws; when left out, software is taken to be alone
 * @returns the object that `distml_py.backends.textures.Bridge` describes. Throws an Error saying what is missing.
 */
export function createBridge(canvas, changed = () => {}, alone = undefined) {
  const device = createDevice(canvas, changed);
  const textures = createTextures(device);
  const programs = createPrograms(device);
  const rehearsal = createRehearsal(device, programs);
  const bands = createBands(alone ?? SOFTWARE.test(device.renderer()));
  let draws = 0;
  let limits = "";
  let limited = 0; // in which epoch

  /** One draw, in as many bands as it needs. gl_FragCoord stays absolute, so no program knows. @param {number} cost @param {boolean} integer @param {number} x @param {number} y @param {number} columns @param {number} rows */
  function draw(cost, integer, x, y, columns, rows) {
    const gl = device.gl;
    const [high, wide] = [bands.rows(cost, columns, rows), bands.columns(cost, columns)];
    gl.viewport(x, y, columns, rows);
    for (let row = 0; row < rows; row += high) {
      for (let column = 0; column < columns; column += wide) {
        const [across, down] = [Math.min(wide, columns - column), Math.min(high, rows - row)];
        gl.scissor(x + column, y + row, across, down);
        gl.drawArrays(gl.TRIANGLES, 0, 3);
        if (bands.add(cost * across * down, performance.now())) rest(gl, integer);
      }
    }
    draws++;
  }

  /** After a turn of work: others get theirs. @param {WebGL2RenderingContext} gl @param {boolean} integer what is drawn into */
  function rest(gl, integer) {
    gl.flush();
    if (!bands.full()) return;
    // finish() waits for nothing in some browsers, a texel of what was drawn last does
    if (integer) gl.readPixels(0, 0, 1, 1, gl.RGBA_INTEGER, gl.INT, WHOLE);
    else gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.FLOAT, FLOATS);
    bands.done(performance.now());
  }

  /**
   * Read-backs on their way, by ticket; epoch: of the device that copies them.
   * @type {Map<number, {buffer: WebGLBuffer, sync: WebGLSync | null, bytes: number, integer: boolean, epoch: number, mark: import("./bands.js").Mark}>}
   */
  const tickets = new Map();
  /** Buffers for read-backs to come, by size in bytes; all of packsMade, the epoch. @type {Map<number, WebGLBuffer[]>} */
  const packs = new Map();
  let packsMade = device.epoch;
  let lastTicket = 0;

  /** A buffer for a read-back, bound, with the marks of one that did not happen. @param {WebGL2RenderingContext} gl @param {number} bytes */
  function pack(gl, bytes) {
    if (packsMade !== device.epoch) packs.clear();
    packsMade = device.epoch;
    const buffer = packs.get(bytes)?.pop() ?? gl.createBuffer();
    if (!buffer) throw device.gone("no read-back could be begun");
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
    gl.bufferData(gl.PIXEL_PACK_BUFFER, bytes, gl.STREAM_READ);
    gl.bufferSubData(gl.PIXEL_PACK_BUFFER, bytes - MARKS.byteLength, MARKS);
    return buffer;
  }

  /** Forgets a read-back; its buffer serves the next one of its size. @param {number} id */
  function drop(id) {
    const ticket = tickets.get(id);
    if (!ticket) return;
    tickets.delete(id);
    if (ticket.epoch !== device.epoch) return; // what it had is gone with its GPU
    const gl = device.gl;
    gl.deleteSync(ticket.sync);
    const free = packs.get(ticket.bytes) ?? [];
    packs.set(ticket.bytes, free);
    if (packsMade === device.epoch && free.length < MOST_PACKS && ticket.bytes <= LARGEST_PACK) free.push(ticket.buffer);
    else gl.deleteBuffer(ticket.buffer);
  }

  /** Throws when what was read back has the marks still. @param {Int32Array | Float32Array} out */
  function arrived(out) {
    if (new Int32Array(out.buffer, out.byteOffset + out.byteLength - MARKS.byteLength).every((bits) => bits === UNTOUCHED)) {
      throw device.gone("no numbers came back");
    }
  }

  return {
    limits() {
      const gl = device.living();
      if (limited === device.epoch) return limits; // asking anew would wait for all draws
      limited = device.epoch;
      limits = JSON.stringify({
        renderer: device.renderer(),
        max_texture_size: gl.getParameter(gl.MAX_TEXTURE_SIZE),
        max_inputs: gl.getParameter(gl.MAX_TEXTURE_IMAGE_UNITS),
        max_array_layers: gl.getParameter(gl.MAX_ARRAY_TEXTURE_LAYERS),
        max_layers: Math.min(gl.getParameter(gl.MAX_DRAW_BUFFERS), gl.getParameter(gl.MAX_COLOR_ATTACHMENTS)),
      });
      return limits;
    },

    /** stack: see textures.js. kind: 0 float, 1 integer, 2 half float. Throws "out of memory: ..." when there is no room. */
    texture: textures.create,
    release: textures.release,
    upload: textures.upload,
    upload_all: (places, data) => textures.uploadAll(places, data),

    /**
     * scalars: one letter each, "f" or "i". cost: about how many operations on four numbers a fragment takes.
     * A text that does not compile throws with its numbered source when it is first run.
     */
    compile: programs.compile,
    discard: programs.discard,

    /**
     * One flat list of draws: program, target, layer, x, y, columns, rows, inputs..., scalar bits...
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
        // One by one: nothing is allocated for a draw.
        const layer = commands[at + 2];
        const x = commands[at + 3];
        const y = commands[at + 4];
        const columns = commands[at + 5];
        const rows = commands[at + 6];
        at += 7;
        for (let unit = 0; unit < program.inputs; unit++) {
          if (bound[unit] === commands[at + unit]) continue;
          const input = textures.source(commands[at + unit]);
          bound[unit] = commands[at + unit];
          gl.activeTexture(gl.TEXTURE0 + unit);
          gl.bindTexture(input.target, input.handle);
        }
        const firstInput = at;
        at += program.inputs;
        for (let n = 0; n < program.scalars.length; n++) {
          if (program.scalars[n].integer) gl.uniform1i(program.scalars[n].place, commands[at + n]);
          else gl.uniform1f(program.scalars[n].place, bits[at + n]);
        }
        at += program.scalars.length;
        const aimed = textures.aim(target, layer);
        if (program.use === "") program.use = useOf(aimed, [...commands.subarray(firstInput, firstInput + program.inputs)].map(textures.source));
        draw(program.cost, aimed.integer, x, y, columns, rows);
      }
      device.check("it computed");
    },

    /**
     * The first `columns` x `rows` texels of a texture, and of the layers behind its first, waiting for every draw before.
     * @param {number} id @param {number} columns @param {number} rows
     * @returns {Float32Array | Int32Array}
     */
    read(id, columns, rows) {
      const gl = device.living();
      const texture = textures.source(id);
      const out = texture.integer ? new Int32Array(columns * rows * 4) : new Float32Array(columns * rows * 4);
      new Int32Array(out.buffer, out.byteLength - MARKS.byteLength).set(MARKS);
      textures.eachLayer(id, rows, (first, count) => {
        gl.readPixels(0, 0, columns, count, texture.integer ? gl.RGBA_INTEGER : gl.RGBA, texture.integer ? gl.INT : gl.FLOAT, out, first * columns * 4);
      });
      // A lost GPU leaves `out` as it was, and the browser may tell of the loss only later: both are asked.
      device.check("numbers were read back");
      arrived(out);
      bands.done(performance.now());
      return out;
    },

    /**
     * Begins the read() of a texture as it is after every draw before, without waiting.
     * @param {number} id @param {number} columns @param {number} rows
     * @returns {number} a ticket for poll() or drop()
     */
    read_later(id, columns, rows) {
      const gl = device.living();
      const texture = textures.source(id);
      const bytes = columns * rows * 16;
      const buffer = pack(gl, bytes);
      textures.eachLayer(id, rows, (first, count) => {
        gl.readPixels(0, 0, columns, count, texture.integer ? gl.RGBA_INTEGER : gl.RGBA, texture.integer ? gl.INT : gl.FLOAT, first * columns * 16);
      });
      gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
      const sync = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
      gl.flush();
      device.check("a read-back was begun");
      tickets.set(++lastTicket, { buffer, sync, bytes, integer: texture.integer, epoch: device.epoch, mark: bands.mark(performance.now()) });
      return lastTicket;
    },

    /**
     * What read_later() asked for; undefined when it is not there yet, unless wait. A ticket is good for one answer.
     * The GPU's progress becomes visible between two turns of the event loop, not within one.
     * @param {number} id @param {boolean} wait
     * @returns {Float32Array | Int32Array | undefined}
     */
    poll(id, wait) {
      const ticket = tickets.get(id);
      if (!ticket) throw new Error(`read-back ${id} was taken or dropped`);
      try {
        if (ticket.epoch !== device.epoch) throw device.gone("numbers on their way back went with the GPU");
        device.check("numbers were read back");
        const gl = device.gl;
        if (!wait && ticket.sync && gl.getSyncParameter(ticket.sync, gl.SYNC_STATUS) === gl.UNSIGNALED) return undefined;
        const out = ticket.integer ? new Int32Array(ticket.bytes / 4) : new Float32Array(ticket.bytes / 4);
        new Int32Array(out.buffer, out.byteLength - MARKS.byteLength).set(MARKS);
        gl.bindBuffer(gl.PIXEL_PACK_BUFFER, ticket.buffer);
        gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, out);
        gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
        device.check("numbers were read back");
        arrived(out);
        bands.done(performance.now(), ticket.mark);
        drop(id);
        return out;
      } catch (error) {
        drop(id);
        throw error;
      }
    },

    drop,

    /** See rehearsal.js. */
    ...rehearsal,

    stats() {
      return JSON.stringify({ draws, ...textures.stats(), ...programs.stats(), epoch: device.epoch, read_backs: tickets.size });
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
