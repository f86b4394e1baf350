// TensorFlow.js as a contender, written as its documentation advises: NHWC, tidy, an optimizer's minimize, no needless read-back.

/** @typedef {any} Tf
 * @typedef {{name: string, kind: string, shape: number[], data: Float32Array}} Given */

/** @param {string} _name @param {Record<string, number | boolean>} flags of tf.env(): the defaults when empty @returns {Promise<any>} */
export async function open(_name, flags = {}) {
  const url = new URL("/bench/tfjs/tf.fesm.min.js", location.origin).href;
  const tf = await import(url).catch(() => {
    throw new Error("TensorFlow.js is not there: run `npm ci --ignore-scripts` where the coordinator was started from");
  });
  for (const [flag, value] of Object.entries(flags)) tf.env().set(flag, value);
  await tf.setBackend("webgl");
  await tf.ready();
  if (tf.getBackend() !== "webgl") throw new Error("TensorFlow.js finds no WebGL here");
  /** @type {any} */ let row;
  /** @type {any} */ let out = null;

  const contender = {
    version: tf.version.tfjs,

    /** @param {string} name @param {{arrays: Given[], lr: number}} work */
    prepare(name, work) {
      const inputs = Object.fromEntries(work.arrays.filter(({ kind }) => kind === "input").map((given) => [given.name, given]));
      const weights = Object.fromEntries(work.arrays.filter(({ kind }) => kind === "weight").map((given) => [given.name, given]));
      if (!(name in ROWS)) throw new Error("not written for TensorFlow.js");
      row = ROWS[name](tf, inputs, weights, work.lr);
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
        wait();
      }
      return { ms: performance.now() - began };
    },

    result() {
      return tf.tidy(() => (row.result ? row.result(out) : out).dataSync());
    },

    weights() {
      return tf.tidy(() => Object.fromEntries(Object.entries(row.weights?.() ?? {}).map(([name, tensor]) => [name, tensor.dataSync()])));
    },

    close() {},
  };

  /** Reads one number of the result. */
  function wait() {
    tf.tidy(() => (out.rank === 0 ? out : tf.slice(out, out.shape.map(() => 0), out.shape.map(() => 1))).dataSync());
  }
  return contender;
}

/** @param {Tf} tf @param {Given} given */
const tensor = (tf, { data, shape }) => tf.tensor(data, shape);
/** (n, c, h, w) to (n, h, w, c), and back. @param {Tf} tf @param {any} x */
const nhwc = (tf, x) => tf.transpose(x, [0, 2, 3, 1]);
/** @param {Tf} tf @param {any} x */
const nchw = (tf, x) => tf.transpose(x, [0, 3, 1, 2]);
/** (out, in, h, w) to (h, w, in, out), and back. @param {Tf} tf @param {any} x */
const hwio = (tf, x) => tf.transpose(x, [2, 3, 1, 0]);
/** @param {Tf} tf @param {any} x */
const oihw = (tf, x) => tf.transpose(x, [3, 2, 0, 1]);

/** @param {Tf} tf @param {Record<string, Given>} inputs */
function matmul(tf, inputs) {
  const [a, b] = [tensor(tf, inputs.a), tensor(tf, inputs.b)];
  return { unit: () => tf.matMul(a, b) };
}

/** @param {Tf} tf @param {Record<string, Given>} inputs */
function chain(tf, inputs) {
  const [a, b, c] = [tensor(tf, inputs.a), tensor(tf, inputs.b), tensor(tf, inputs.c)];
  return { unit: () => tf.tidy(() => tf.relu(tf.add(tf.mul(a, b), c))) };
}

/** @param {Tf} tf @param {Record<string, Given>} inputs */
function convInputs(tf, inputs) {
  const names = Object.keys(inputs);
  return Object.fromEntries(names.map((name) => [name, tf.tidy(() => (name === "w" ? hwio : nhwc)(tf, tensor(tf, inputs[name])))]));
}

/** @param {Tf} tf @param {Record<string, Given>} inputs */
function conv(tf, inputs) {
  const { x, w } = convInputs(tf, inputs);
  return { unit: () => tf.conv2d(x, w, 1, "same"), result: (/** @type {any} */ out) => nchw(tf, out) };
}

// The two gradients are the kernels that conv2d's own gradient runs, without the forward pass that tf.grads would add.
const SAME = { strides: [1, 1], pad: "same", dataFormat: "NHWC" };

/** @param {Tf} tf @param {Record<string, Given>} inputs */
function convInputGrad(tf, inputs) {
  const { x, w, g } = convInputs(tf, inputs);
  const attrs = { ...SAME, inputShape: x.shape };
  return { unit: () => tf.engine().runKernel("Conv2DBackpropInput", { dy: g, filter: w }, attrs), result: (/** @type {any} */ out) => nchw(tf, out) };
}

/** @param {Tf} tf @param {Record<string, Given>} inputs */
function convWeightGrad(tf, inputs) {
  const { x, w, g } = convInputs(tf, inputs);
  const attrs = { ...SAME, filterShape: w.shape };
  return { unit: () => tf.engine().runKernel("Conv2DBackpropFilter", { x, dy: g }, attrs), result: (/** @type {any} */ out) => oihw(tf, out) };
}

/**
 * Variables from the weights; `into` turns PyTorch's layout into TensorFlow's, `back` the other way.
 * @param {Tf} tf @param {Record<string, Given>} weights
 * @param {(name: string, shape: number[]) => {into: (x: any) => any, back: (x: any) => any}} layout
 */
function variables(tf, weights, layout) {
  /** @type {Record<string, any>} */
  const made = {};
  for (const given of Object.values(weights)) {
    made[given.name] = tf.tidy(() => tf.variable(layout(given.name, given.shape).into(tensor(tf, given))));
  }
  const read = () => Object.fromEntries(Object.values(weights).map(({ name, shape }) => [name, layout(name, shape).back(made[name])]));
  return { made, read };
}

/** @param {Tf} tf @param {number} lr @param {() => any} loss @param {any[]} trained @returns one whole step, whose loss nobody reads */
function sgd(tf, lr, loss, trained) {
  const optimizer = tf.train.sgd(lr);
  return () => optimizer.minimize(loss, true, trained);
}

/** PyTorch's layouts: (out, in) becomes (in, out), (out, in, h, w) becomes (h, w, in, out). @param {Tf} tf */
const plain = (tf) => (/** @type {string} */ _name, /** @type {number[]} */ shape) => {
  if (shape.length === 4) return { into: (/** @type {any} */ x) => hwio(tf, x), back: (/** @type {any} */ x) => oihw(tf, x) };
  if (shape.length === 2) return { into: (/** @type {any} */ x) => tf.transpose(x), back: (/** @type {any} */ x) => tf.transpose(x) };
  return { into: (/** @type {any} */ x) => x, back: (/** @type {any} */ x) => x };
};

// A fused op stays fused in training only without an activation, so ReLU stands beside it. Its gradient is always that of all
// its inputs: a layer that reads the data itself is faster unfused, where nobody asks for the data's gradient. Each row
// has the form that measured fastest: the MLP nowhere fused, GPT and the CNN's later layers fused.
/** @param {Tf} tf @param {any} x @param {any} w @param {any} bias @param {boolean} plain unfused */
const linear = (tf, x, w, bias, plain = false) =>
  plain ? tf.add(tf.matMul(x, w), bias) : tf.fused.matMul({ a: x, b: w, bias, activation: "linear" });

/** @param {Tf} tf @param {any} x @param {any} w @param {any} bias @param {boolean} first whether x is the data */
const conv3 = (tf, x, w, bias, first) =>
  first ? tf.add(tf.conv2d(x, w, 1, "same"), bias) : tf.fused.conv2d({ x, filter: w, strides: 1, pad: "same", bias, activation: "linear" });

/** @param {Tf} tf @param {Record<string, Given>} inputs @param {Record<string, Given>} weights @param {number} lr */
function mlp(tf, inputs, weights, lr) {
  const { made, read } = variables(tf, weights, plain(tf));
  const x = tensor(tf, inputs.x);
  const y = tf.tidy(() => tf.oneHot(tf.cast(tensor(tf, inputs.y), "int32"), 10).toFloat());
  const layer = (/** @type {any} */ h, /** @type {number} */ n) => linear(tf, h, made[`${n}.weight`], made[`${n}.bias`], true);
  const loss = () => tf.losses.softmaxCrossEntropy(y, layer(tf.relu(layer(tf.relu(layer(x, 0)), 2)), 4));
  return { unit: sgd(tf, lr, loss, Object.values(made)), weights: read };
}

/** @param {Tf} tf @param {Record<string, Given>} inputs @param {Record<string, Given>} weights @param {number} lr */
function cnn(tf, inputs, weights, lr) {
  const other = plain(tf);
  // the last layer's inputs are (channel, row, column) in PyTorch, (row, column, channel) here
  const last = {
    into: (/** @type {any} */ x) => tf.reshape(tf.transpose(tf.reshape(x, [10, 32, 7, 7]), [2, 3, 1, 0]), [1568, 10]),
    back: (/** @type {any} */ x) => tf.reshape(tf.transpose(tf.reshape(x, [7, 7, 32, 10]), [3, 2, 0, 1]), [10, 1568]),
  };
  const { made, read } = variables(tf, weights, (name, shape) => (name === "7.weight" ? last : other(name, shape)));
  const x = tf.tidy(() => nhwc(tf, tensor(tf, inputs.x)));
  const y = tf.tidy(() => tf.oneHot(tf.cast(tensor(tf, inputs.y), "int32"), 10).toFloat());
  const layer = (/** @type {any} */ h, /** @type {number} */ n) =>
    tf.maxPool(tf.relu(conv3(tf, h, made[`${n}.weight`], made[`${n}.bias`], h === x)), 2, 2, "valid");
  const loss = () => {
    const h = tf.reshape(layer(layer(x, 0), 3), [64, 1568]);
    return tf.losses.softmaxCrossEntropy(y, linear(tf, h, made["7.weight"], made["7.bias"]));
  };
  return { unit: sgd(tf, lr, loss, Object.values(made)), weights: read };
}

/**
 * The mean and variance of the batch normalise; the running ones follow, as PyTorch's do.
 * @param {Tf} tf @param {Record<string, any>} made
 */
const batchNorm = (tf, made) => (/** @type {any} */ x, /** @type {string} */ name) => {
  const { mean, variance } = tf.moments(x, [0, 1, 2]);
  const count = x.size / x.shape[3];
  for (const [kept, now] of [[made[`${name}.running_mean`], mean], [made[`${name}.running_var`], tf.mul(variance, count / (count - 1))]]) {
    kept.assign(tf.add(tf.mul(kept, 0.9), tf.mul(now, 0.1)));
  }
  return tf.batchNorm(x, mean, variance, made[`${name}.bias`], made[`${name}.weight`], 1e-5);
};

/** @param {Tf} tf @param {Record<string, Given>} inputs @param {Record<string, Given>} weights @param {number} lr */
function resnet(tf, inputs, weights, lr) {
  const { made, read } = variables(tf, weights, plain(tf));
  const x = tf.tidy(() => nhwc(tf, tensor(tf, inputs.x)));
  const y = tf.tidy(() => tf.oneHot(tf.cast(tensor(tf, inputs.y), "int32"), 10).toFloat());
  const norm = batchNorm(tf, made);
  // "same" would pad a step of 2 on one side only
  const conv = (/** @type {any} */ h, /** @type {string} */ name, stride = 1, pad = 1) => tf.conv2d(h, made[`${name}.weight`], stride, pad);
  const block = (/** @type {any} */ h, /** @type {string} */ name, /** @type {number} */ stride) => {
    const down = `${name}.downsample`;
    const side = `${down}.0.weight` in made ? norm(conv(h, `${down}.0`, stride, 0), `${down}.1`) : h;
    const inner = tf.relu(norm(conv(h, `${name}.conv1`, stride), `${name}.bn1`));
    return tf.relu(tf.add(norm(conv(inner, `${name}.conv2`), `${name}.bn2`), side));
  };
  const loss = () => {
    let h = tf.relu(norm(conv(x, "conv1"), "bn1"));
    for (let stage = 1; stage <= 4; stage++) {
      h = block(block(h, `layer${stage}.0`, stage === 1 ? 1 : 2), `layer${stage}.1`, 1);
    }
    return tf.losses.softmaxCrossEntropy(y, linear(tf, tf.mean(h, [1, 2]), made["fc.weight"], made["fc.bias"]));
  };
  const trained = Object.keys(made).filter((name) => !name.includes("running"));
  return { unit: sgd(tf, lr, loss, trained.map((name) => made[name])), weights: read };
}

/** @param {Tf} tf @param {Record<string, Given>} inputs @param {Record<string, Given>} weights @param {number} lr */
function gpt(tf, inputs, weights, lr) {
  const [batch, time] = inputs.x.shape;
  const [words, width] = weights["transformer.wte.weight"].shape;
  const heads = 4;
  const other = plain(tf);
  const asIs = { into: (/** @type {any} */ x) => x, back: (/** @type {any} */ x) => x };
  const { made, read } = variables(tf, weights, (name, shape) => (/wte|wpe|lm_head/.test(name) ? asIs : other(name, shape)));
  made["lm_head.weight"].dispose();
  made["lm_head.weight"] = made["transformer.wte.weight"]; // one parameter, as in GPT-2
  const tokens = tf.tidy(() => tf.reshape(tf.cast(tensor(tf, inputs.x), "int32"), [batch * time]));
  const y = tf.tidy(() => tf.oneHot(tf.reshape(tf.cast(tensor(tf, inputs.y), "int32"), [batch * time]), words).toFloat());
  const causal = tf.tidy(() => tf.mul(tf.sub(1, tf.linalg.bandPart(tf.ones([time, time]), -1, 0)), -1e9));
  const layer = (/** @type {any} */ h, /** @type {string} */ name) => linear(tf, h, made[`${name}.weight`], made[`${name}.bias`]);
  const norm = (/** @type {any} */ h, /** @type {string} */ name) => {
    const { mean, variance } = tf.moments(h, -1, true);
    const scale = tf.mul(tf.rsqrt(tf.add(variance, 1e-5)), made[`${name}.weight`]);
    return tf.add(tf.mul(tf.sub(h, mean), scale), made[`${name}.bias`]);
  };
  // the tanh form of GELU, (1 + tanh(u)) / 2 written as sigmoid(2 u)
  const twice = 2 * Math.sqrt(2 / Math.PI);
  const gelu = (/** @type {any} */ h) => tf.mul(h, tf.sigmoid(tf.mul(h, tf.add(tf.mul(tf.square(h), 0.044715 * twice), twice))));
  const attention = (/** @type {any} */ h, /** @type {string} */ name) => {
    const parts = tf.transpose(tf.reshape(layer(h, `${name}.c_attn`), [batch, time, 3, heads, width / heads]), [2, 0, 3, 1, 4]);
    const [q, k, v] = tf.unstack(parts);
    const scores = tf.add(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(width / heads)), causal);
    const seen = tf.transpose(tf.matMul(tf.softmax(scores), v), [0, 2, 1, 3]);
    return layer(tf.reshape(seen, [batch * time, width]), `${name}.c_proj`);
  };
  const loss = () => {
    const known = tf.reshape(tf.gather(made["transformer.wte.weight"], tokens), [batch, time, width]);
    let h = tf.reshape(tf.add(known, made["transformer.wpe.weight"]), [batch * time, width]);
    for (const name of ["transformer.h.0", "transformer.h.1"]) {
      h = tf.add(h, attention(norm(h, `${name}.ln_1`), `${name}.attn`));
      h = tf.add(h, layer(gelu(layer(norm(h, `${name}.ln_2`), `${name}.mlp.c_fc`)), `${name}.mlp.c_proj`));
    }
    return tf.losses.softmaxCrossEntropy(y, tf.matMul(norm(h, "transformer.ln_f"), made["lm_head.weight"], false, true));
  };
  return { unit: sgd(tf, lr, loss, [...new Set(Object.values(made))]), weights: read };
}

/** @type {Record<string, (tf: Tf, inputs: Record<string, Given>, weights: Record<string, Given>, lr: number) => any>} */
const ROWS = {
  matmul_512: matmul,
  matmul_1024: matmul,
  chain_1m: chain,
  conv,
  conv_input_grad: convInputGrad,
  conv_weight_grad: convWeightGrad,
  mlp_step: mlp,
  cnn_step: cnn,
  resnet18_step: resnet,
  gpt_step: gpt,
};
