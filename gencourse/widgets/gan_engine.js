// Two small networks that play the game of chapter 2, with gradients by hand: the engine of a live figure.
//
// A network is a list of layers { w, b, rows, columns }, tanh between them. Every number is a float64.

const softplus = (t) => Math.max(t, 0) + Math.log1p(Math.exp(-Math.abs(t)));
const sigmoid = (t) => 1 / (1 + Math.exp(-t));

// One sample forward; with v also how each layer moves when x moves along v.
function forward(net, x, v) {
  const a = [x], da = [v], dz = [];
  for (let k = 0; k < net.length; k++) {
    const { w, b, rows, columns } = net[k], last = k === net.length - 1, from = a[k];
    const out = new Array(rows); // made faster than a typed one
    for (let i = 0, at = 0; i < rows; i++) {
      let z = b[i];
      for (let j = 0; j < columns; j++) z += w[at++] * from[j];
      out[i] = last ? z : Math.tanh(z);
    }
    a.push(out);
    if (!v) continue;
    const slope = new Float64Array(rows), rate = new Float64Array(rows), along = da[k];
    for (let i = 0, at = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) slope[i] += w[at++] * along[j];
      rate[i] = last ? slope[i] : (1 - out[i] * out[i]) * slope[i];
    }
    da.push(rate);
    dz.push(slope);
  }
  return { a, da, dz };
}

export const output = (net, x) => forward(net, x).a[net.length];
export const zeros = (net) => net.map(({ w, b }) => ({ w: new Float64Array(w.length), b: new Float64Array(b.length) }));

// Backward from p, the slope in the output, and, after a motion along v, from q, the slope in the output's motion:
// the second order of the penalties. Adds to `grads` where given; returns the slope in x.
function backward(net, { a, da, dz }, p, q, grads) {
  for (let k = net.length - 1; k >= 0; k--) {
    const { w, rows, columns } = net[k], last = k === net.length - 1, from = a[k], along = da[k], own = grads && grads[k];
    const p0 = new Array(columns).fill(0), q0 = q && new Array(columns).fill(0);
    for (let i = 0; i < rows; i++) {
      const y = a[k + 1][i], s = last ? 1 : 1 - y * y, qz = q ? q[i] * s : 0;
      const pz = p[i] * s - (last || !q ? 0 : 2 * y * s * q[i] * dz[k][i]);
      if (own) own.b[i] += pz;
      const start = i * columns;
      for (let j = 0; j < columns; j++) p0[j] += w[start + j] * pz;
      if (own) for (let j = 0; j < columns; j++) own.w[start + j] += pz * from[j];
      if (!q) continue;
      for (let j = 0; j < columns; j++) q0[j] += w[start + j] * qz;
      if (own) for (let j = 0; j < columns; j++) own.w[start + j] += qz * along[j];
    }
    [p, q] = [p0, q0];
  }
  return p;
}

// The judge's logit at x, and where it rises.
export function rise(net, x) {
  const way = forward(net, x);
  return { logit: way.a[net.length][0], slope: backward(net, way, [1]) };
}

// Losses of one pair of logits, and their slopes: the judge's in r and f, the generator's in f.
export function pair(kind, r, f) {
  if (kind === "least_squares") return { d: ((r - 1) ** 2 + f * f) / 2, dr: r - 1, df: f, g: (f - 1) ** 2 / 2, gf: f - 1 };
  if (kind === "wasserstein") return { d: f - r, dr: -1, df: 1, g: -f, gf: -1 };
  if (kind === "hinge") {
    return { d: Math.max(0, 1 - r) + Math.max(0, 1 + f), dr: r < 1 ? -1 : 0, df: f > -1 ? 1 : 0, g: -f, gf: -1 };
  }
  if (kind === "relativistic") {
    const s = sigmoid(f - r);
    return { d: softplus(f - r), dr: -s, df: s, g: softplus(r - f), gf: s - 1 };
  }
  const judge = { d: softplus(-r) + softplus(f), dr: sigmoid(r) - 1, df: sigmoid(f) };
  if (kind === "minimax") return { ...judge, g: -softplus(f), gf: -sigmoid(f) };
  return { ...judge, g: softplus(-f), gf: sigmoid(f) - 1 };
}

// Loss and gradient of the judge on samples, generated ones beside them.
export function judgeStep(D, real, fake, kind) {
  const grads = zeros(D), n = real.length;
  let loss = 0;
  real.forEach((x, i) => {
    const r = forward(D, x), f = forward(D, fake[i]), l = pair(kind, r.a[D.length][0], f.a[D.length][0]);
    loss += l.d / n;
    backward(D, r, [l.dr / n], null, grads);
    backward(D, f, [l.df / n], null, grads);
  });
  return { loss, grads };
}

// Loss and gradient of the generator on noise; real samples serve the relativistic kind.
export function generatorStep(G, D, noise, real, kind) {
  const grads = zeros(G), n = noise.length;
  let loss = 0;
  noise.forEach((z, i) => {
    const made = forward(G, z), f = forward(D, made.a[G.length]);
    const r = kind === "relativistic" ? output(D, real[i])[0] : 0; // the others do not look at it
    const l = pair(kind, r, f.a[D.length][0]);
    loss += l.g / n;
    backward(G, made, backward(D, f, [l.gf / n]), null, grads);
  });
  return { loss, grads };
}

// R1 at `points` (½ E‖∇D‖²), or with `unit` the gradient penalty E(‖∇D‖ − 1)², and its gradient. That is the
// gradient of D's motion along v = ∂penalty/∂∇D, with v held still.
export function penalty(D, points, unit) {
  const grads = zeros(D), n = points.length;
  let loss = 0;
  for (const x of points) {
    const { slope } = rise(D, x), norm = Math.sqrt(slope[0] ** 2 + slope[1] ** 2 + 1e-12);
    loss += (unit ? (norm - 1) ** 2 : (slope[0] ** 2 + slope[1] ** 2) / 2) / n;
    const v = slope.map((s) => (unit ? (2 * (norm - 1) * s) / norm : s) / n);
    backward(D, forward(D, x, v), [0], [1], grads);
  }
  return { loss, grads };
}

// One step of Adam in place; `state` keeps { t, m, v } between calls.
export function adam(net, grads, state, rate, beta1 = 0.9, beta2 = 0.999) {
  state.m ||= zeros(net);
  state.v ||= zeros(net);
  state.t = (state.t || 0) + 1;
  const first = rate / (1 - beta1 ** state.t), second = 1 - beta2 ** state.t;
  net.forEach((layer, k) => ["w", "b"].forEach((part) => {
    const on = layer[part], grad = grads[k][part], m = state.m[k][part], v = state.v[k][part];
    for (let i = 0; i < on.length; i++) {
      m[i] = beta1 * m[i] + (1 - beta1) * grad[i];
      v[i] = beta2 * v[i] + (1 - beta2) * grad[i] * grad[i];
      on[i] -= (first * m[i]) / (Math.sqrt(v[i] / second) + 1e-8);
    }
  }));
}
