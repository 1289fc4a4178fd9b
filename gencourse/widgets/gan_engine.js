// The game of chapter 2 between two small networks: losses, penalties and their gradients. `engine.js` stands in front.

const softplus = (t) => Math.max(t, 0) + Math.log1p(Math.exp(-Math.abs(t)));
const sigmoid = (t) => 1 / (1 + Math.exp(-t));

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
