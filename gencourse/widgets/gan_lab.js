// The laboratory of chapter 2: two pairs of small networks, each a generator and its judge. `gan_engine.js` and `lab.js`
// stand in front.

const SHOWN = 128; // samples

// How many places hold at least a tenth of their fair share of the samples, eq. (2.24).
export function covered(samples, { centres, near }) {
  const counts = centres.map(() => 0);
  for (const sample of samples) {
    const [place, far] = nearest(centres, sample);
    if (far <= near) counts[place]++;
  }
  return counts.filter((count) => count > 0 && count >= (0.1 * samples.length) / centres.length).length;
}

// ---- a run ---------------------------------------------------------------------------------------------

// Two networks with `units` in each of two hidden layers. Without units: the smallest game, where the generator makes
// one point and the judge is a line through the origin; they start so that a free game is a circle.
export function fresh(units, dice) {
  const numbers = (...list) => Float64Array.from(list);
  const D = units ? network([2, units, units, 1], dice) : [{ w: numbers(0, 1.5), b: numbers(0), rows: 1, columns: 2, still: "b" }];
  const G = units ? network([2, units, units, 2], dice) : [{ w: numbers(0, 0, 0, 0), b: numbers(1.5, 0), rows: 2, columns: 2, still: "w" }];
  return { D, G, mean: copy(G), ofD: {}, ofG: {}, step: 0, losses: [NaN, NaN] };
}

const copy = (net) => net.map((layer) => ({ ...layer, w: layer.w.slice(), b: layer.b.slice() }));
const blend = (to, from, keep) => to.forEach((layer, k) => ["w", "b"].forEach((part) => {
  for (let i = 0; i < layer[part].length; i++) layer[part][i] = keep * layer[part][i] + (1 - keep) * from[k][part][i];
}));

// One round as in `methods.GAN.step`: `moves` moves of the judge on the real points x, then one of the generator. With
// no moves in front both move at once. `noise` draws a batch of it, `share` a number in [0, 1] for each pair.
export function play(run, how, x, noise, share) {
  const { D, G } = run;
  const wish = () => generatorStep(G, D, noise(), x, how.loss);
  let answer = how.moves ? null : wish();
  for (let n = 0; n < Math.max(1, how.moves); n++) {
    const fake = noise().map((z) => output(G, z));
    const { loss, grads } = judgeStep(D, x, fake, how.loss);
    const price = (weight, points, unit) => weight && penalty(D, points, unit).grads.forEach((layer, k) =>
      ["w", "b"].forEach((part) => layer[part].forEach((g, i) => { grads[k][part][i] += weight * g; })));
    price(how.r1, x, false);
    if (how.gp) price(how.gp, x.map((p, i) => between(p, fake[i], share())), true);
    move(D, grads, run.ofD, how);
    run.losses[0] = loss;
  }
  answer ||= wish();
  move(G, answer.grads, run.ofG, how);
  run.losses[1] = answer.loss;
  blend(run.mean, G, run.step++ ? how.average : 0); // the first step starts the average
}

const between = ([a, b], [c, d], e) => [e * a + (1 - e) * c, e * b + (1 - e) * d];

// ---- what is shown of it -------------------------------------------------------------------------------

// What logit counts as "cannot tell", and how fast the colour turns from there. A critic's scores and those of pairs
// have no zero of their own: theirs is the mean over the plane.
function tone(kind, logits) {
  if (kind === "least_squares") return [0.5, 4];
  const free = kind === "wasserstein" || kind === "relativistic";
  return [free ? logits.reduce((sum, a) => sum + a, 0) / logits.length : 0, 1];
}

// Samples, the pull on each (where the generator's loss falls), the judge's field row after row from above (255 is
// "real"), and the numbers of the run.
export function picture({ D, mean, losses }, kind, z, source) {
  const samples = z.map((one) => output(mean, one)), logits = field((x) => output(D, x)[0]);
  const [middle, gain] = tone(kind, logits);
  const pulls = samples.map((x) => {
    const { logit, slope } = rise(D, x), push = -pair(kind, middle, logit).gf;
    return slope.map((v) => push * v);
  });
  return {
    samples: floats(samples),
    pulls: floats(pulls),
    field: Uint8ClampedArray.from(logits, (a) => 255 * sigmoid(gain * (a - middle))),
    losses: [...losses],
    places: covered(samples, source),
    radius: Math.hypot(...mean[mean.length - 1].b, ...D[0].w), // of the smallest game, eq. (2.17)
  };
}

// ---- settings ------------------------------------------------------------------------------------------

export const SHARED = {
  data: [
    ["point", "one point"], ["ring", "ring of eight"], ["grid", "grid of nine"], ["rings", "two rings"],
    ["moons", "two moons"], ["drawn", "your drawing"],
  ],
  units: [[0, "a point, a line"], [16, "16 + 16 units"], [24, "24 + 24 units"], [32, "32 + 32 units"]],
};
export const OWN = {
  loss: [
    ["minimax", "minimax"], ["non_saturating", "non-saturating"], ["least_squares", "least squares"],
    ["wasserstein", "Wasserstein"], ["hinge", "hinge"], ["relativistic", "relativistic"],
  ],
  momentum: [["plain", "plain"], [0, "Adam, 0"], [0.5, "Adam, 0.5"], [0.9, "Adam, 0.9"]],
  rate: plain([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2]),
  r1: plain([0, 0.01, 0.1, 0.3, 1]),
  gp: plain([0, 0.1, 1, 10]),
  moves: [[0, "both at once"], [1, "D, then G"], [2, "2 D, then G"], [5, "5 D, then G"]],
  average: [[0, "none"], [0.9, "0.9"], [0.99, "0.99"], [0.999, "0.999"]],
};
const NAMES = {
  data: "Data", units: "Networks", loss: "Loss", momentum: "Steps, momentum", rate: "Step size", r1: "R1, γ",
  gp: "Gradient penalty", moves: "Order of moves", average: "Average of weights",
};

const CIRCLE = { loss: "minimax", momentum: "plain", rate: 0.2, r1: 0, gp: 0, moves: 1, average: 0 };
const CALM = { loss: "non_saturating", momentum: 0.5, rate: 0.005, r1: 0.1, gp: 0, moves: 1, average: 0 };
const POINT = { data: "point", units: 0, seed: 1, drawn: [], a: CIRCLE, b: CIRCLE };
export const EXAMPLES = [
  ["Circle, decay", { ...POINT, b: { ...CIRCLE, r1: 0.3 } },
    "A: without a penalty the made point circles round the real one for ever, eq. (2.17). B: with R1 it spirals in, eq. (2.19)."],
  ["At once, in turn", { ...POINT, a: { ...CIRCLE, moves: 0 } },
    "A: both players move at once, and each step drives them further out, eq. (2.18). B: they move in turn, and the orbit closes."],
  ["Last, average", { ...POINT, b: { ...CIRCLE, average: 0.99 } },
    "Both runs play the same game. B shows a generator with averaged weights, which comes to lie near the centre of the circle."],
  ["Modes lost, kept", { data: "ring", units: 24, seed: 3, drawn: [], a: { ...CALM, momentum: 0.9, r1: 0 }, b: CALM },
    "A: with momentum 0.9 the samples run together from place to place, and most places stay empty. B: with momentum 0.5 and R1 they spread over all eight."],
];


const game = ({ units, data }) => !units && data === "point";
const LAB = {
  name: "gan-lab", shared: SHARED, own: OWN, names: NAMES, examples: EXAMPLES, anew: [],
  survey, fresh,
  round(run, how, source, dice) {
    const batch = (draw) => Array.from({ length: BATCH }, draw);
    play(run, how, batch(() => source.draw(dice)), () => batch(dice.normal), dice.uniform);
  },
  picture: (run, how, source, seed) => picture(run, how.loss, Array.from({ length: SHOWN }, chance(seed + 2).normal), source),
  few: ({ units }) => !units, // all samples are one point
  // A point and a line can learn one point only: other data come with networks.
  fit: (values, { units }) => (!units && values.data !== "point" ? { ...EXAMPLES[3][1], ...values } : values),
  score: ({ places, radius }, source, now) =>
    game(now) ? `distance from the solution ${round(radius)}` : `${places} of ${source.centres.length} places`,
  more: ({ losses }, step) => (step ? `, losses ${losses.map(round).join(" and ")}` : ""),
  cure: "take smaller steps or a penalty",
  under(pen, to, run, trail, few) { // a trail, faint where it starts
    if (few) trail.forEach((_, i) => {
      pen.globalAlpha = (0.8 * i) / trail.length;
      line(pen, trail.slice(Math.max(0, i - 1), i + 1), to);
    });
  },
  curve: "the judge's solid, the generator's dashed",
  curves(past, colour) {
    const [judge, maker] = [0, 1].map((i) => past.map(({ losses }) => losses[i]));
    const found = [...judge, ...maker].filter(Number.isFinite);
    const low = found.reduce((a, b) => Math.min(a, b), 0), high = found.reduce((a, b) => Math.max(a, b), 1);
    const marks = ticks(low, high).map(({ at }) => [at, String(Number(at.toPrecision(2))).replace("-", "−")]);
    return ["losses", low, high, [marks[0], marks[marks.length - 1]], [[colour, [], judge], [colour, [4, 4], maker]]];
  },
  strip(past, colours, source, now) {
    const of = past.map((run) => run.map(({ radius, places }) => (game(now) ? radius : places)));
    const high = game(now) ? Math.ceil(of.flat().reduce((a, b) => (b < 1e6 ? Math.max(a, b) : a), 3)) : source.centres.length;
    const title = game(now) ? "distance from the solution, √(‖θ‖² + ‖ψ‖²)" : "places covered";
    return [title, 0, high, [[0, "0"], [high, String(high)]], of.map((values, r) => [colours[r], [], values])];
  },
  plane: "real points, samples, and where the judge says real",
  sharedName: "Data and networks",
  help: `Grey: real points. Coloured: samples, with the pull on each. Blue: where the judge says "real". Losses: the judge's solid, the generator's dashed. A place is covered when it has a tenth of its fair share.`,
};
export const HOME = EXAMPLES[0][1];
export const { read, write } = address(LAB);
if (typeof WorkerGlobalScope !== "undefined") serve(LAB);
export default { render: laboratory(LAB) };
