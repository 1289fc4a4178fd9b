// The laboratory of chapter 1: two small autoencoders on points in the plane. `engine.js` and `lab.js` stand in front.

// ---- the data ------------------------------------------------------------------------------------------

// What can be known without training. The law of the data is that of the points which are shown: batches are drawn from
// them. Principal directions are sorted, the widest first.
export function known(setup) {
  const cloud = ({ normal }) => { // along (2, 1), three times as long as broad
    const [u, v] = normal();
    return [0.98 * u - 0.16 * v, 0.49 * u + 0.32 * v];
  };
  const source = setup.data === "cloud" ? survey(setup, { draw: cloud }) : survey(setup), { real } = source;
  const mean = real[0].map((_, c) => real.reduce((sum, x) => sum + x[c], 0) / real.length);
  const [xx, xy, yy] = [[0, 0], [0, 1], [1, 1]].map(([c, d]) =>
    real.reduce((sum, x) => sum + (x[c] - mean[c]) * (x[d] - mean[d]), 0) / real.length);
  const middle = (xx + yy) / 2, gap = Math.hypot((xx - yy) / 2, xy);
  return { ...source, mean, turn: Math.atan2(2 * xy, xx - yy) / 2, variances: [middle + gap, Math.max(0, middle - gap)], blurred: {} };
}

// E[x|y], the best denoiser (1.7), and the density of noisy points at y but for a factor, both exact for these points.
export function average(points, noise, y) {
  const far = points.map((x) => ((y[0] - x[0]) ** 2 + (y[1] - x[1]) ** 2) / (2 * noise * noise)), least = Math.min(...far);
  let sum = 0, to = [0, 0];
  points.forEach((x, i) => {
    const weight = Math.exp(least - far[i]);
    sum += weight;
    to = to.map((v, c) => v + weight * x[c]);
  });
  return { to: to.map((v) => v / sum), log: Math.log(sum) - least };
}

const AXIS = Array.from({ length: 9 }, (_, i) => 0.65 * (i - 4)); // where arrows start, in both directions
const FROM = AXIS.flatMap((y) => AXIS.map((x) => [x, y]));
const minus = (p, q) => p.map((v, c) => v - q[c]);
const square = ([x, y]) => x * x + y * y;
const meanOf = (list) => list.reduce((sum, v) => sum + v, 0) / list.length;

// Noise for the i-th of n points, and its mirror image. Lengths go evenly through the normal law and directions round the
// circle, so that all together have the normal law's mean and variance. A linear map's error on them is then exact.
function spread(i, n) {
  const long = (k) => -2 * Math.log(1 - (k + 0.5) / n), sum = Array.from({ length: n }, (_, k) => long(k)).reduce((a, b) => a + b);
  const radius = Math.sqrt((2 * n * long(i)) / sum), angle = i * Math.PI * (3 - Math.sqrt(5)), e = [radius * Math.cos(angle), radius * Math.sin(angle)];
  return [e, e.map((v) => -v)];
}

// What is known of the data with this noise: the noisy points on which a run is judged, the exact field of (1.13), the
// blurred density's logarithm as a field, and the least error of any denoiser, the first term of (1.7).
function blur(source, noise) {
  return (source.blurred[noise] ||= (() => {
    const { real } = source, noisy = real.flatMap((x, i) => spread(i, real.length).map((e) => x.map((v, c) => v + noise * e[c])));
    if (!noise) return { noisy, exact: [], shade: new Uint8ClampedArray(SIDE * SIDE), least: 0 };
    const logs = field((y) => average(real, noise, y).log), high = logs.reduce((a, b) => Math.max(a, b));
    return {
      noisy,
      exact: FROM.map((y) => minus(average(real, noise, y).to, y)),
      shade: Uint8ClampedArray.from(logs, (v) => 255 * Math.exp((v - high) / 3)),
      least: meanOf(noisy.map((y, i) => square(minus(real[i >> 1], average(real, noise, y).to)))),
    };
  })());
}

// The least error that a run can reach. Linear: eq. (1.8) without noise, and with it the same over what (1.12) keeps. Any
// other network: nothing without noise, and with it the first term of (1.7).
export function least(source, { net, code, noise }) {
  if (net !== "linear") return blur(source, noise).least;
  const [first, second] = source.variances.map((v, i) => v - (i < code && v ? (v * v) / (v + noise * noise) : 0));
  return first + second;
}

// ---- a run ---------------------------------------------------------------------------------------------

// Encoder and decoder, each with two hidden layers of `units`, or each one linear layer.
export function fresh(units, dice, { net, code }) {
  const hidden = net === "linear" ? [] : [units, units];
  return { E: network([2, ...hidden, code], dice), Dec: network([code, ...hidden, 2], dice), ofE: {}, ofDec: {}, step: 0 };
}

export const redraw = ({ E, Dec }, y) => output(Dec, output(E, y));

// One step as in `methods.Autoencoder.step`: down the slope of the squared error between the points x and what is redrawn
// of y, eqs. (1.1) and (1.11). The decoder hands the slope on to the encoder.
export function learn(run, { rate }, x, y) {
  const { E, Dec } = run, ofE = zeros(E), ofDec = zeros(Dec), n = x.length;
  run.loss = 0;
  y.forEach((from, i) => {
    const coded = forward(E, from), made = forward(Dec, coded.a[E.length]), off = minus(made.a[Dec.length], x[i]);
    run.loss += square(off) / n;
    backward(E, coded, backward(Dec, made, off.map((v) => (2 * v) / n), null, ofDec), null, ofE);
  });
  move(E, ofE, run.ofE, { momentum: 0.9, rate });
  move(Dec, ofDec, run.ofDec, { momentum: 0.9, rate });
  run.step++;
}

// ---- what is shown of it -------------------------------------------------------------------------------

// Redrawn points, what the decoder draws of all codes in between (a curve, or a net of two families of curves), the
// displacement on a grid beside the exact one, and the errors.
export function picture(run, how, source) {
  const { E, Dec } = run, { noisy, exact, shade } = blur(source, how.noise), shown = source.real.slice(0, 128);
  const codes = shown.map((x) => output(E, x)), ends = codes[0].map((_, c) => {
    const all = codes.map((z) => z[c]), low = Math.min(...all), high = Math.max(...all), more = 0.1 * (high - low);
    return (part) => low - more + part * (high - low + 2 * more);
  });
  const curve = (count, code) => floats(Array.from({ length: count }, (_, i) => output(Dec, code(i / (count - 1)))));
  const parts = Array.from({ length: 7 }, (_, i) => i / 6), [a, b] = ends;
  return {
    samples: floats(codes.map((z) => output(Dec, z))),
    curves: b ? parts.flatMap((p) => [curve(15, (t) => [a(t), b(p)]), curve(15, (t) => [a(p), b(t)])]) : [curve(81, (t) => [a(t)])],
    from: floats(FROM),
    pulls: floats(FROM.map((y) => minus(redraw(run, y), y))),
    exact: floats(exact),
    field: shade,
    error: meanOf(noisy.map((y, i) => square(minus(redraw(run, y), source.real[i >> 1])))),
    least: least(source, how),
    code: how.code,
  };
}

// ---- settings ------------------------------------------------------------------------------------------

export const SHARED = {
  data: [
    ["moons", "two moons"], ["ring", "ring of eight"], ["grid", "grid of nine"], ["rings", "two rings"],
    ["cloud", "slanted cloud"], ["drawn", "your drawing"],
  ],
  units: [[8, "8 + 8 units"], [16, "16 + 16 units"], [24, "24 + 24 units"]],
};
export const OWN = {
  net: [["linear", "linear"], ["tanh", "tanh between"]],
  code: [[1, "1 number"], [2, "2 numbers"]],
  noise: plain([0, 0.1, 0.2, 0.5, 1]),
  rate: plain([0.001, 0.003, 0.01, 0.03]),
};
const NAMES = { data: "Data", units: "Hidden layers", net: "Layers", code: "Code", noise: "Noise, σ", rate: "Step size" };

const LINE = { net: "linear", code: 1, noise: 0, rate: 0.01 };
const BENT = { ...LINE, net: "tanh" };
const MOONS = { data: "moons", units: 16, seed: 1, drawn: [], a: LINE, b: BENT };
export const EXAMPLES = [
  ["Line, curve", MOONS,
    "One number each. A: the linear code turns onto the first principal direction (dashed) and stops at the error of eq. (1.8). B bends its line along the moons."],
  ["A road", { ...MOONS, data: "grid" },
    "One number each. A: no line comes near nine places. B: a road finds its way through all of them: the number of numbers bounds nothing by itself."],
  ["Copy, shrink", { ...MOONS, data: "cloud", a: { ...LINE, code: 2 }, b: { ...LINE, code: 2, noise: 0.5 } },
    "Two numbers, linear. A may copy: its arrows fade. B sees noisy points, σ = 0.5, and learns to shrink, most across the cloud, eq. (1.12). Pale: the best denoiser."],
  ["Wiener, best", { ...MOONS, data: "ring", a: { ...LINE, code: 2, noise: 0.5 }, b: { ...BENT, code: 2, noise: 0.5 } },
    "The same noise. A: a linear denoiser can only shrink. B's arrows come to lie on the pale ones of eq. (1.13), uphill to the spots, and its error ends lower."],
];
export const HOME = EXAMPLES[0][1];

const LAB = {
  name: "autoencoder-lab", shared: SHARED, own: OWN, names: NAMES, examples: EXAMPLES, anew: ["net", "code"],
  survey: known, fresh, picture,
  round(run, how, { real }, { uniform, normal }) {
    const x = Array.from({ length: BATCH }, () => real[Math.floor(real.length * uniform())]);
    learn(run, how, x, x.map((p) => normal().map((e, c) => p[c] + how.noise * e)));
  },
  few: () => false,
  fit: (values) => values,
  score: (run) => `error ${three(run.error)}, least ${three(run.least)}`,
  more: () => "",
  cure: "take smaller steps",
  scale: 1 / 3,
  under(pen, to, { curves = [], from, exact = [], code }, trail, few, { arrow }, source) {
    pen.globalAlpha = code === 1 ? 0.9 : 0.4;
    pen.lineWidth = code === 1 ? 2 : 1;
    curves.forEach((curve) => line(pen, pairs(curve), to));
    pen.strokeStyle = arrow;
    if (code === 1) { // the line of PCA
      const [u, v] = [9 * Math.cos(source.turn), 9 * Math.sin(source.turn)], [x, y] = source.mean;
      pen.globalAlpha = 0.7;
      pen.lineWidth = 1;
      pen.setLineDash([5, 5]);
      line(pen, [[x - u, y - v], [x + u, y + v]], to);
      pen.setLineDash([]);
    }
    pen.globalAlpha = 0.25;
    pen.lineWidth = 4;
    if (exact.length) arrows(pen, pairs(from), pairs(exact), to, 1 / 3);
  },
  curves: () => [],
  strip(past, colours) { // logarithmic: an equal gap is an equal factor
    const of = past.map((run) => ["error", "least"].map((name) => run.map((one) => Math.log10(one[name]))));
    const seen = of.flat(2).map((v) => Math.max(-3, Math.min(6, v))), low = Math.floor(seen.reduce((a, b) => Math.min(a, b), -1));
    const high = seen.reduce((a, b) => Math.max(a, b), 0) + 0.1;
    const marks = Array.from({ length: Math.floor(high) - low + 1 }, (_, i) => [low + i, String(10 ** (low + i))]);
    const lines = of.flatMap(([error, floor], r) => [[colours[r], [], error], ...(floor[0] > low ? [[colours[r], [3, 4], floor]] : [])]);
    return ["squared error (dotted: the least possible)", low, high, marks, lines];
  },
  plane: "points, redrawn points, what the decoder draws of all codes, and arrows from points of the plane to where they are redrawn",
  sharedName: "Data and networks",
  help: "Grey: points. Coloured: the same, redrawn, and all that the decoder can draw. Dashed: PCA. Arrows: r(x) − x at a third of its length; pale: that of the best denoiser. Blue: where noisy points lie.",
};
const three = (v) => (v < 1000 ? v.toFixed(3) : v.toExponential(1));
export const { read, write } = address(LAB);
if (typeof WorkerGlobalScope !== "undefined") serve(LAB);
export default { render: laboratory(LAB) };
