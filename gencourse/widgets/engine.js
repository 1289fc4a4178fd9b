// Small networks with gradients by hand: the engine of the laboratories.
//
// A network is a list of layers { w, b, rows, columns }, tanh between them. Every number is a float64.

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
