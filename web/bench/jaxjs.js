// jax-js on its WebGL backend as a contender: every unit is one jitted function, a training step with its gradient and update inside.

/** @typedef {any} Jax
 * @typedef {any} Arr
 * @typedef {{name: string, kind: string, shape: number[], data: Float32Array}} Given */

/** @returns {Promise<any>} */
export async function open() {
  // jax-js asks for a context without "major performance caveat", which a software renderer does not give
  const plain = OffscreenCanvas.prototype.getContext;
  OffscreenCanvas.prototype.getContext = /** @type {any} */ (
    function (/** @type {any} */ kind, /** @type {any} */ options) {
      return plain.call(/** @type {any} */ (this), kind, { ...options, failIfMajorPerformanceCaveat: false });
    }
  );
  const url = new URL("/bench/jaxjs/index.js", location.origin).href;
  const jax = await import(url).catch(() => {
    throw new Error("jax-js is not there: run `npm ci --ignore-scripts` where the coordinator was started from");
  });
  if (!(await jax.init("webgl")).includes("webgl")) throw new Error("jax-js finds no WebGL here");
  jax.defaultDevice("webgl");
  /** @type {any} */ let row;
  /** @type {Arr} */ let out = null;

  const contender = {
    version: "0.1.25",

    /** @param {string} name @param {{arrays: Given[], lr: number}} work */
    prepare(name, work) {
      if (!(name in ROWS)) throw new Error("not written for jax-js");
      const made = (/** @type {string} */ kind) =>
        Object.fromEntries(work.arrays.filter((given) => given.kind === kind).map((given) => [given.name, tensor(jax, given)]));
      row = ROWS[name](jax, made("input"), made("weight"), work.lr);
    },

    first() {
      contender.repeat(1, 1);
      return {};
    },

    /** @param {number} units @param {number} rounds */
    repeat(units, rounds) {
      const began = performance.now();
      for (let round = 0; round < rounds; round++) {
        for (let unit = 0; unit < units; unit++) {
          out?.dispose();
          out = row.unit();
        }
        for (const one of [out, ...(row.last?.() ?? [])]) wait(one);
      }
      return { ms: performance.now() - began };
    },

    result: () => out.ref.dataSync(),
    weights: () => Object.fromEntries(Object.entries(row.weights?.() ?? {}).map(([name, array]) => [name, array.ref.dataSync()])),
    close() {},
  };

  /** Reads one number, so that all draws before it are done. @param {Arr} array */
  function wait(array) {
    (array.ndim ? array.ref.slice(...array.shape.map(() => 0)) : array.ref).dataSync();
  }
  return contender;
}

/** @param {Jax} jax @param {Given} given */
const tensor = ({ numpy }, { data, shape }) => numpy.array(data).reshape(shape);
const SAME = /** @type {[number, number][]} */ ([[1, 1], [1, 1]]);

/** One jitted function of the inputs. @param {(jax: Jax) => (...inputs: Arr[]) => Arr} make */
const op = (make) => (/** @type {Jax} */ jax, /** @type {Record<string, Arr>} */ inputs) => {
  const call = jax.jit(make(jax));
  return { unit: () => call(...Object.values(inputs).map((input) => input.ref)) };
};

/**
 * A training step: loss(weights, inputs) and its gradient, then SGD.
 * @param {(jax: Jax, weights: Record<string, Arr>, inputs: Record<string, Arr>) => Arr} loss takes over what it is given
 */
const training = (loss) => (/** @type {Jax} */ jax, /** @type {Record<string, Arr>} */ inputs, /** @type {Record<string, Arr>} */ weights, /** @type {number} */ lr) => {
  const { tree } = jax;
  const step = jax.jit((/** @type {any} */ now, /** @type {any} */ given) => {
    const [value, gradients] = jax.valueAndGrad((/** @type {any} */ w, /** @type {any} */ i) => loss(jax, w, i))(tree.ref(now), given);
    return [value, tree.map((/** @type {Arr} */ w, /** @type {Arr} */ g) => w.sub(g.mul(lr)), now, gradients)];
  });
  const unit = () => {
    const [value, after] = step(weights, tree.ref(inputs));
    weights = after;
    return value;
  };
  return { unit, last: () => Object.values(weights).slice(-1), weights: () => weights };
};

/** Mean cross entropy. @param {Jax} jax @param {Arr} scores (n, classes) @param {Arr} labels (n,) as float32 */
function crossEntropy({ nn, numpy }, scores, labels) {
  const [count, classes] = scores.shape;
  const wanted = nn.oneHot(labels.astype(numpy.int32), classes);
  return nn.logSoftmax(scores, -1).mul(wanted).sum().mul(-1 / count);
}

/** @param {Jax} jax @param {Arr} x (n, in) @param {Record<string, Arr>} weights @param {string} name */
const linear = ({ numpy }, x, weights, name) => numpy.matmul(x, weights[`${name}.weight`].transpose()).add(weights[`${name}.bias`]);

const mlp = training((jax, weights, { x, y }) => {
  const { relu } = jax.nn;
  const inner = relu(linear(jax, relu(linear(jax, x, weights, "0")), weights, "2"));
  return crossEntropy(jax, linear(jax, inner, weights, "4"), y);
});

const cnn = training((jax, weights, { x, y }) => {
  const layer = (/** @type {Arr} */ h, /** @type {string} */ name) => {
    const out = jax.nn.relu(jax.lax.conv(h, weights[`${name}.weight`], [1, 1], SAME).add(weights[`${name}.bias`].reshape([1, -1, 1, 1])));
    const [n, c, height, width] = out.shape;
    return out.reshape([n, c, height / 2, 2, width / 2, 2]).max([3, 5]);
  };
  const flat = layer(layer(x, "0"), "3").reshape([64, 1568]);
  return crossEntropy(jax, linear(jax, flat, weights, "7"), y);
});

const gpt = training((jax, weights, { x, y }) => {
  const { nn, numpy: np } = jax;
  const [batch, time] = x.shape;
  const [words, width] = weights["transformer.wte.weight"].shape;
  const heads = 4;
  const norm = (/** @type {Arr} */ h, /** @type {string} */ name) => nn.standardize(h, -1).mul(weights[`${name}.weight`]).add(weights[`${name}.bias`]);
  const twice = 2 * Math.sqrt(2 / Math.PI);
  const gelu = (/** @type {Arr} */ h) => h.ref.mul(nn.sigmoid(h.ref.mul(h.ref.mul(h).mul(0.044715 * twice).add(twice))));
  const attention = (/** @type {Arr} */ h, /** @type {string} */ name) => {
    const parts = linear(jax, h, weights, `${name}.c_attn`).reshape([batch, time, 3, heads, width / heads]);
    const [q, k, v] = [0, 1, 2].map((n) => (n < 2 ? parts.ref : parts).slice([], [], n));
    const seen = nn.dotProductAttention(q, k, v, { isCausal: true });
    return linear(jax, seen.reshape([batch * time, width]), weights, `${name}.c_proj`);
  };
  // gathered by a product: the gradient of take() is a scatter, which the WebGL backend has not
  const chosen = nn.oneHot(x.astype(np.int32).reshape([batch * time]), words);
  const table = weights["transformer.wte.weight"];
  let h = np.matmul(chosen, table.ref).reshape([batch, time, width]).add(weights["transformer.wpe.weight"]).reshape([batch * time, width]);
  for (const name of ["transformer.h.0", "transformer.h.1"]) {
    h = h.ref.add(attention(norm(h, `${name}.ln_1`), `${name}.attn`));
    h = h.ref.add(linear(jax, gelu(linear(jax, norm(h, `${name}.ln_2`), weights, `${name}.mlp.c_fc`)), weights, `${name}.mlp.c_proj`));
  }
  return crossEntropy(jax, np.matmul(norm(h, "transformer.ln_f"), table.transpose()), y.reshape([batch * time]));
});

/** The table is one parameter under two names. @type {typeof mlp} */
const tiedGpt = (jax, inputs, { "lm_head.weight": head, ...weights }, lr) => {
  head.dispose();
  const made = gpt(jax, inputs, weights, lr);
  return { ...made, weights: () => ({ ...made.weights(), "lm_head.weight": made.weights()["transformer.wte.weight"] }) };
};

/** @type {Record<string, (jax: Jax, inputs: Record<string, Arr>, weights: Record<string, Arr>, lr: number) => any>} */
const ROWS = {
  matmul_512: op(({ numpy }) => (a, b) => numpy.matmul(a, b)),
  matmul_1024: op(({ numpy }) => (a, b) => numpy.matmul(a, b)),
  chain_1m: op(({ nn }) => (a, b, c) => nn.relu(a.mul(b).add(c))),
  conv: op(({ lax }) => (x, w) => lax.conv(x, w, [1, 1], SAME)),
  conv_input_grad: op(({ lax, vjp }) => (x, w, g) => vjp((/** @type {Arr} */ leaf) => lax.conv(leaf, w, [1, 1], SAME), [x])[1](g)[0]),
  conv_weight_grad: op(({ lax, vjp }) => (x, w, g) => vjp((/** @type {Arr} */ leaf) => lax.conv(x, leaf, [1, 1], SAME), [w])[1](g)[0]),
  mlp_step: mlp,
  cnn_step: cnn,
  gpt_step: tiedGpt,
};
