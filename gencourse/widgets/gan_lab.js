// The laboratory of chapter 2: two pairs of small networks are trained in the page, side by side.
//
// One module without imports (page.js and gan_engine.js stand in front of it). It runs twice: in the page, which draws,
// and in a worker that the page starts from the same text, which trains. Nothing is fetched, and no kernel is needed.

// ---- the data ------------------------------------------------------------------------------------------

const REACH = 3; // the plane shows both coordinates from −3 to 3
const BATCH = 32; // points in a step, real and made
const arc = (count, radius, turn, [x, y] = [0, 0], part = 2 * Math.PI) =>
  Array.from({ length: count }, (_, i) => {
    const angle = turn + ((i + 0.5) / count) * part;
    return [x + radius * Math.cos(angle), y + radius * Math.sin(angle)];
  });

// Uniform numbers in [0, 1) from a seed (Mulberry32), and normal ones made of two of them (Box and Muller).
export function chance(seed) {
  let a = seed | 0;
  const uniform = () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const normal = () => {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform())), angle = 2 * Math.PI * uniform();
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  };
  return { uniform, normal };
}

// The places that count as covered or missed, how near a sample must be, and how a real point is drawn.
export function law(data, drawn = []) {
  const around = (centres, spread) => ({ uniform, normal }) => {
    const [x, y] = centres[Math.floor(centres.length * uniform())], [u, v] = normal();
    return [x + spread * u, y + spread * v];
  };
  if (data === "point") return { centres: [[0, 0]], near: 0.3, draw: () => [0, 0] };
  if (data === "drawn") {
    const spots = drawn.length ? drawn : [[0, 0]]; // until something is drawn
    const centres = spots.reduce((kept, p) => (nearest(kept, p)[1] > 0.7 ? [...kept, p] : kept), []);
    return { centres, near: 0.5, draw: around(spots, 0.05) };
  }
  if (data === "rings" || data === "moons") { // a place is a piece of an arc
    const parts = data === "rings" ? [[6, 1, 0], [12, 2, 0]]
      : [[6, 1.4, 0, [-0.7, -0.35], Math.PI], [6, 1.4, Math.PI, [0.7, 0.35], Math.PI]];
    const centres = parts.flatMap((part) => arc(...part));
    const draw = ({ uniform, normal }) => {
      const pick = Math.floor(centres.length * uniform());
      const [count, radius, turn, centre, part = 2 * Math.PI] = parts[pick < parts[0][0] ? 0 : 1];
      const [x, y] = arc(1, radius, turn + (uniform() - 0.5) * part, centre, part)[0], [u, v] = normal();
      return [x + 0.05 * u, y + 0.05 * v];
    };
    return { centres, near: 0.55, draw };
  }
  const side = [-1.6, 0, 1.6];
  const centres = data === "grid" ? side.flatMap((x) => side.map((y) => [x, y])) : arc(8, 2, -Math.PI / 8);
  return { centres, near: 0.4, draw: around(centres, 0.05) };
}

// Which place is nearest to a point, and how far it is.
function nearest(places, [x, y]) {
  let best = -1, least = Infinity;
  places.forEach(([a, b], i) => {
    const far = Math.hypot(a - x, b - y);
    if (far < least) [best, least] = [i, far];
  });
  return [best, least];
}

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

const MOMENTUM = { 0: [0, 0.99], 0.5: [0.5, 0.99], 0.9: [0.9, 0.999] }; // Adam's pairs, as in the chapter

// Two networks with `units` in each of two hidden layers. Without units: the smallest game, where the generator makes
// one point and the judge is a line through the origin; they start so that a free game is a circle.
export function fresh(units, { uniform }) {
  const layer = (rows, columns) => {
    const draw = (length) => Float64Array.from({ length }, () => (2 * uniform() - 1) / Math.sqrt(columns));
    return { w: draw(rows * columns), b: draw(rows), rows, columns };
  };
  const network = (out) => [layer(units, 2), layer(units, units), layer(out, units)];
  const numbers = (...list) => Float64Array.from(list);
  const D = units ? network(1) : [{ w: numbers(0, 1.5), b: numbers(0), rows: 1, columns: 2, still: "b" }];
  const G = units ? network(2) : [{ w: numbers(0, 0, 0, 0), b: numbers(1.5, 0), rows: 2, columns: 2, still: "w" }];
  return { D, G, mean: copy(G), ofD: {}, ofG: {}, step: 0, losses: [NaN, NaN] };
}

const copy = (net) => net.map((layer) => ({ ...layer, w: layer.w.slice(), b: layer.b.slice() }));
const blend = (to, from, keep) => to.forEach((layer, k) => ["w", "b"].forEach((part) => {
  for (let i = 0; i < layer[part].length; i++) layer[part][i] = keep * layer[part][i] + (1 - keep) * from[k][part][i];
}));

function move(net, grads, state, { momentum, rate }) {
  grads.forEach((grad, k) => net[k].still && grad[net[k].still].fill(0));
  if (momentum !== "plain") return adam(net, grads, state, rate, ...MOMENTUM[momentum]);
  net.forEach((layer, k) => ["w", "b"].forEach((part) => layer[part].forEach((_, i) => {
    layer[part][i] -= rate * grads[k][part][i];
  })));
}

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

const SHOWN = 128; // samples
const SIDE = 20; // cells of the judge's field in each direction

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
  const samples = z.map((one) => output(mean, one)), at = (i) => (((i + 0.5) / SIDE) * 2 - 1) * REACH;
  const logits = Array.from({ length: SIDE * SIDE }, (_, i) => output(D, [at(i % SIDE), -at(Math.floor(i / SIDE))])[0]);
  const [middle, gain] = tone(kind, logits);
  const pulls = samples.map((x) => {
    const { logit, slope } = rise(D, x), push = -pair(kind, middle, logit).gf;
    return slope.map((v) => push * v);
  });
  return {
    samples: Float32Array.from(samples.flatMap((x) => [...x])),
    pulls: Float32Array.from(pulls.flatMap((v) => [...v])),
    field: Uint8ClampedArray.from(logits, (a) => 255 * sigmoid(gain * (a - middle))),
    losses: [...losses],
    places: covered(samples, source),
    radius: Math.hypot(...mean[mean.length - 1].b, ...D[0].w), // of the smallest game, eq. (2.17)
  };
}

// ---- the worker ----------------------------------------------------------------------------------------

// Makes as many steps as it is asked for, or as fit into a part of a frame, but at least one. On a slow machine steps
// get as much time as pictures.
function serve() {
  let setup, source, games, spent = 0;
  onmessage = ({ data }) => {
    if (data.setup) setup = data.setup;
    if (data.restart) {
      source = law(setup.data, setup.drawn);
      games = [0, 1].map(() => ({ run: fresh(setup.units, chance(setup.seed)), dice: chance(setup.seed + 1) }));
    }
    if (data.steps === undefined) return;
    const hows = [setup.a, setup.b], batch = (draw) => Array.from({ length: BATCH }, draw), start = performance.now();
    for (let n = 0; n < data.steps && (!n || performance.now() - start < Math.max(6, spent)); n++) {
      games.forEach(({ run, dice }, r) =>
        play(run, hows[r], batch(() => source.draw(dice)), () => batch(dice.normal), dice.uniform));
    }
    const z = Array.from({ length: SHOWN }, chance(setup.seed + 2).normal), middle = performance.now();
    const runs = games.map(({ run }, r) => picture(run, hows[r].loss, z, source));
    spent = performance.now() - middle;
    postMessage({ id: data.id, step: games[0].run.step, runs });
  };
}
if (typeof WorkerGlobalScope !== "undefined") serve();

// ---- settings and the address --------------------------------------------------------------------------

const plain = (list) => list.map((value) => [value, String(value)]);
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
const SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"; // a coordinate: −3, −2.9, ..., 3
const DOTS = 150; // points of a drawing

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
export const HOME = EXAMPLES[0][1];

// The settings as the end of an address.
export function write({ data, units, seed, drawn, a, b }) {
  const own = (how) => Object.keys(OWN).map((name) => how[name]).join();
  const dots = drawn.flat().map((v) => SIGNS[Math.round(10 * (v + REACH))]).join("");
  return `#gan-lab&data=${data}&units=${units}&seed=${seed}&a=${own(a)}&b=${own(b)}${dots && `&drawn=${dots}`}`;
}

// And back; null where the address is about something else. What it does not say, or says wrongly, is as at home.
export function read(hash) {
  if (!hash.startsWith("#gan-lab")) return null;
  const found = new URLSearchParams(hash.slice(1));
  const choose = (choices, text, otherwise) => (choices.find(([value]) => String(value) === text) || [otherwise])[0];
  const own = (run) => {
    const texts = (found.get(run) || "").split(",");
    return Object.fromEntries(Object.keys(OWN).map((name, i) => [name, choose(OWN[name], texts[i], HOME[run][name])]));
  };
  const dots = (found.get("drawn") || "").match(/[0-9A-Za-y]{2}/g) || [];
  const seed = Number(found.get("seed"));
  return {
    data: choose(SHARED.data, found.get("data"), HOME.data),
    units: choose(SHARED.units, found.get("units"), HOME.units),
    seed: Number.isInteger(seed) && seed > 0 && seed < 1e6 ? seed : HOME.seed,
    drawn: dots.slice(0, DOTS).map((dot) => [...dot].map((s) => (SIGNS.indexOf(s) - 10 * REACH) / 10)),
    a: own("a"),
    b: own("b"),
  };
}

// ---- the figure ----------------------------------------------------------------------------------------

const LIGHT = { runs: ["#c2410c", "#5d3a9b"], real: "#5b6470", high: [150, 196, 232], low: [244, 239, 229], arrow: "#1f2937" };
const DARK = { runs: ["#ff9d5c", "#c9a6ff"], real: "#97a1ad", high: [38, 82, 122], low: [31, 29, 30], arrow: "#e5e9ef" };
const KEPT = 500; // moments in a curve; when there are more, every second one goes
const TURNS = 150; // places in the trail of the smallest game
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

const side = (run) => `
  <figure>
    <figcaption><b>${run}</b> <output></output></figcaption>
    <canvas class="gc-lab-plane ${run === "A" ? "gc-pad" : "gc-image"}"></canvas>
    <canvas class="gc-lab-curve" role="img" aria-label="Losses of run ${run} over the steps: the judge's solid, the generator's dashed"></canvas>
  </figure>`;
const PAGE = `
  <div class="gc-lab-row" role="group" aria-label="Examples"></div>
  <p class="gc-lab-what" aria-live="polite"></p>
  <div class="gc-lab-runs">${side("A")}${side("B")}</div>
  <div class="gc-lab-row">
    <button type="button" data-do="play">Play</button><button type="button" data-do="step">Step</button>
    <label><input type="checkbox" data-do="slow"> slow motion</label>
    <button type="button" data-do="restart">Restart</button><button type="button" data-do="seed">Other seed</button>
    <button type="button" data-do="link">Copy link</button><button type="button" data-do="reset">Reset</button>
  </div>
  <p class="gc-lab-said" aria-live="polite"></p>
  <canvas class="gc-lab-strip" role="img" aria-label="Both runs, over the steps"></canvas>
  <div class="gc-lab-set" role="group" aria-label="Data and networks"></div>
  <div class="gc-lab-runs">
    <fieldset class="gc-lab-set"><legend>Run A</legend></fieldset><fieldset class="gc-lab-set"><legend>Run B</legend></fieldset>
  </div>
  <p class="gc-figure-help">Grey: real points. Coloured: samples, with the pull on each. Blue: where the judge says "real". Losses: the judge's solid, the generator's dashed. A place is covered when it has a tenth of its fair share. What differs between the runs is bold. Settings act at once, also in play; data, networks and seed start anew. To make data, draw on a plane; with a finger choose "your drawing" first; with keys move the cross and press Enter.</p>`;

function render({ model, el }) {
  const root = frame(el, "gc-lab", PAGE), all = (what) => [...root.querySelectorAll(what)];
  const planes = all(".gc-lab-plane"), curves = all(".gc-lab-curve"), captions = all("figcaption output");
  const [what, said, strip] = ["what", "said", "strip"].map((name) => root.querySelector(`.gc-lab-${name}`));
  const press = Object.fromEntries(all("[data-do]").map((button) => [button.dataset.do, button]));
  const heat = document.createElement("canvas");
  heat.width = heat.height = SIDE;
  let worker = null, id = 0, flying = 0, latest = null, playing = false, telling = false, timer = 0, waits = false;
  let past = [], every = 1, count = 0, trails = [[], []]; // what is remembered of this game
  let source = null, real = [], stroke = null, cross = null, dirty = 0, ink = "", font = "", colours = LIGHT;

  const settings = () => Object.fromEntries(Object.keys(HOME).map((name) => [name, model.get(name)]));
  const smallest = () => !model.get("units");
  const say = (text) => { said.textContent = text; };

  // ---- training

  function ask(steps, more) {
    if (!worker) {
      worker = startWorker(model);
      worker.onerror = () => say("This page may not start a worker, so nothing can be trained here.");
      worker.onmessage = ({ data }) => {
        if (data.id !== id) return; // of a game that was given up
        flying--;
        latest = data;
        remember();
        if (!waits) requestAnimationFrame(paint);
        waits = true;
      };
    }
    if (steps !== undefined) flying++; // answers to come
    worker.postMessage({ id, steps, ...more });
  }
  function paint() {
    waits = false;
    if (playing && lost()) go(false);
    if (playing && !flying) next(); // the worker trains while the page draws
    draw();
    if (telling && !playing) say(sentence());
    telling = false;
  }
  const lost = () => !latest.runs.every(({ samples }) => samples.every(Number.isFinite));
  function next() {
    if (!press.slow.checked) ask(smallest() ? 1 : 4);
    else timer = setTimeout(() => playing && ask(1), 350);
  }
  function survey() {
    const dice = chance(1), data = model.get("data"), drawn = model.get("drawn"), most = { point: 1, drawn: 20 * drawn.length || 1 }[data] || 400;
    source = law(data, drawn);
    real = Array.from({ length: Math.min(most, 400) }, () => source.draw(dice));
  }
  function restart() {
    clearTimeout(timer);
    id++;
    flying = 0;
    [past, every, count, trails] = [[], 1, 0, [[], []]];
    survey();
    ask(0, { setup: settings(), restart: true });
  }
  function remember() {
    latest.runs.forEach(({ samples }, r) => {
      trails[r].push([samples[0], samples[1]]);
      if (trails[r].length > TURNS) trails[r].shift();
    });
    if (!latest.step || count++ % every) return;
    past.push(latest);
    if (past.length < KEPT) return;
    past = past.filter((_, i) => i % 2 === 0);
    every *= 2;
  }
  function go(on) {
    playing = on;
    press.play.textContent = on ? "Pause" : "Play";
    clearTimeout(timer);
    if (on && !flying) next();
    telling = !on && flying > 0; // of the step that is still on its way
    if (!telling) say(on ? "Playing." : sentence());
  }

  // ---- words

  const round = (v) => (Math.abs(v) < 1000 ? v.toFixed(2) : v.toExponential(1)).replace("-", "−");
  const score = ({ places, radius }) =>
    smallest() && model.get("data") === "point" ? `distance from the solution ${round(radius)}`
      : `${places} of ${source.centres.length} places`;
  function sentence() {
    if (!latest || latest.id !== id) return "";
    if (lost()) return "A run has left the finite numbers. Press Restart, and take smaller steps or a penalty.";
    const of = latest.runs.map((run, r) => `${"AB"[r]}: ${score(run)}${latest.step ? `, losses ${run.losses.map(round).join(" and ")}` : ""}`);
    return `Step ${latest.step}. ${of.join(". ")}.`;
  }

  // ---- pictures

  const toX = (x, size) => ((x / REACH + 1) / 2) * size;
  const toY = (y, size) => ((1 - y / REACH) / 2) * size;
  function dots(pen, list, size, radius) {
    pen.beginPath();
    for (const [x, y] of list) {
      pen.moveTo(toX(x, size) + radius, toY(y, size));
      pen.arc(toX(x, size), toY(y, size), radius, 0, 2 * Math.PI);
    }
    pen.fill();
  }
  const pairs = (flat) => Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);

  function drawPlane(canvas, r) {
    const pen = begin(canvas), size = canvas.clientWidth, radius = size < 250 ? 1.6 : 2.4;
    const { samples, pulls, field } = latest ? latest.runs[r] : { samples: [], pulls: [], field: new Uint8Array(SIDE * SIDE) };
    const on = heat.getContext("2d"), pixels = on.createImageData(SIDE, SIDE);
    field.forEach((part, i) => {
      for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = colours.low[c] + (part / 255) * (colours.high[c] - colours.low[c]);
      pixels.data[4 * i + 3] = 255;
    });
    on.putImageData(pixels, 0, 0);
    pen.drawImage(heat, 0, 0, size, size);
    pen.fillStyle = colours.real;
    pen.globalAlpha = 0.55;
    const few = real.length < 3;
    dots(pen, stroke || real, size, few || stroke ? 5 : radius * 0.7);
    pen.fillStyle = pen.strokeStyle = colours.runs[r];
    if (smallest()) { // a trail, faint where it starts
      pen.lineWidth = 1.5;
      trails[r].forEach(([x, y], i) => {
        if (!i) return;
        pen.globalAlpha = (0.8 * i) / trails[r].length;
        pen.beginPath();
        pen.moveTo(...trails[r][i - 1].map((v, c) => (c ? toY : toX)(v, size)));
        pen.lineTo(toX(x, size), toY(y, size));
        pen.stroke();
      });
    }
    const list = pairs(smallest() ? samples.slice(0, 2) : samples), ends = pairs(pulls);
    pen.globalAlpha = 0.9;
    dots(pen, list, size, smallest() ? 5 : radius);
    pen.strokeStyle = colours.arrow;
    pen.globalAlpha = smallest() ? 0.9 : 0.55;
    pen.lineWidth = size < 250 ? 0.8 : 1;
    pen.beginPath();
    list.forEach(([x, y], i) => {
      const [dx, dy] = ends[i], long = Math.hypot(dx, dy), shown = Math.min(long, 0.8) / long;
      const [u, v] = [(dx * shown * size) / (2 * REACH), (-dy * shown * size) / (2 * REACH)];
      if (!(Math.hypot(u, v) > 1.5)) return; // too short to see
      const [px, py] = [toX(x, size) + u, toY(y, size) + v];
      pen.moveTo(px - u, py - v);
      pen.lineTo(px, py);
      pen.moveTo(px - 0.3 * (u - 0.6 * v), py - 0.3 * (v + 0.6 * u));
      pen.lineTo(px, py);
      pen.lineTo(px - 0.3 * (u + 0.6 * v), py - 0.3 * (v - 0.6 * u));
    });
    pen.stroke();
    if (!cross) return;
    const [x, y] = [toX(cross[0], size), toY(cross[1], size)];
    pen.globalAlpha = 1;
    pen.lineWidth = 2;
    pen.beginPath();
    for (const [u, v] of [[9, 0], [0, 9]]) {
      pen.moveTo(x - u, y - v);
      pen.lineTo(x + u, y + v);
    }
    pen.stroke();
  }

  // Curves [colour, dash, values] over the steps that are remembered, between low and high, under a title.
  function drawCurves(canvas, title, low, high, labels, lines) {
    const pen = begin(canvas), width = canvas.clientWidth, bottom = canvas.clientHeight - 18, top = 22, left = 34;
    const up = (v) => bottom - ((v - low) / (high - low)) * (bottom - top), last = past.length && past[past.length - 1].step;
    pen.font = `12px ${font}`;
    pen.fillStyle = pen.strokeStyle = ink;
    pen.textBaseline = "middle";
    pen.setLineDash([]); // a pen keeps what it had
    pen.textAlign = "left";
    pen.globalAlpha = 0.8;
    pen.fillText(title, left, 8);
    pen.textAlign = "right";
    for (const v of labels) pen.fillText(String(v).replace("-", "−"), left - 6, up(v));
    pen.fillText(`step ${last}`, width - 2, bottom + 11);
    pen.globalAlpha = 0.15;
    for (const v of labels) {
      pen.beginPath();
      pen.moveTo(left, up(v));
      pen.lineTo(width - 2, up(v));
      pen.stroke();
    }
    pen.globalAlpha = 1;
    pen.lineWidth = 1.6;
    for (const [colour, dash, values] of lines) {
      pen.strokeStyle = colour;
      pen.setLineDash(dash);
      pen.beginPath();
      values.forEach((v, i) => pen.lineTo(left + (past[i].step / last) * (width - left - 2), up(Math.max(low, Math.min(high, v)))));
      pen.stroke();
    }
  }
  function drawLosses(canvas, r) {
    const [judge, maker] = [0, 1].map((i) => past.map(({ runs }) => runs[r].losses[i]));
    const found = [...judge, ...maker].filter(Number.isFinite);
    const low = found.reduce((a, b) => Math.min(a, b), 0), high = found.reduce((a, b) => Math.max(a, b), 1);
    const marks = ticks(low, high).map(({ at }) => Number(at.toPrecision(2)));
    drawCurves(canvas, "losses", low, high, [marks[0], marks[marks.length - 1]], [
      [colours.runs[r], [], judge], [colours.runs[r], [4, 4], maker],
    ]);
  }
  function drawStrip() {
    const game = smallest() && model.get("data") === "point", of = past.map(({ runs }) => runs.map((run) => (game ? run.radius : run.places)));
    const high = game ? Math.ceil(of.flat().reduce((a, b) => (b < 1e6 ? Math.max(a, b) : a), 3)) : source.centres.length;
    const title = game ? "distance from the solution, √(‖θ‖² + ‖ψ‖²)" : "places covered";
    strip.setAttribute("aria-label", `${title} of both runs, over the steps`);
    drawCurves(strip, title, 0, high, [0, high], colours.runs.map((colour, r) => [colour, [], of.map((pair) => pair[r])]));
  }

  function draw() {
    if (!strip.clientWidth) return; // the figure is folded away
    if (!ink) {
      const found = look(root);
      [ink, font, colours] = [found.ink, found.font, found.dark ? DARK : LIGHT];
      colours.runs.forEach((colour, r) => root.style.setProperty(`--gc-lab-${"ab"[r]}`, colour));
    }
    planes.forEach(drawPlane);
    if (!latest) return;
    curves.forEach(drawLosses);
    drawStrip();
    captions.forEach((caption, r) => { caption.textContent = score(latest.runs[r]); });
  }

  // ---- settings

  // Setting a trait acts: whoever sets it, this figure, a second view of it, or Python. All changes of a moment at once.
  const RESTARTS = ["data", "units", "seed", "drawn"];
  function changed(again) {
    if (!dirty) queueMicrotask(() => {
      sync();
      if (dirty === 2) restart();
      else ask(playing ? undefined : 0, { setup: settings() });
      dirty = 0;
    });
    dirty = Math.max(dirty, again ? 2 : 1);
  }
  function set(values, text) {
    model.set(values);
    model.save_changes();
    note();
    say(text);
  }
  function note() { // not in a notebook: its address is not ours
    if (document.body.dataset.jpThemeLight === undefined) history.replaceState(history.state, "", write(settings()));
  }
  // A point and a line can learn one point only: other data come with networks.
  const onto = (values) => (smallest() && values.data !== "point" ? { ...EXAMPLES[3][1], ...values } : values);
  const menus = [];
  function menu(where, name, choices, get, put) {
    const label = document.createElement("label"), select = document.createElement("select");
    choices.forEach(([, text]) => select.add(new Option(text)));
    select.addEventListener("change", () => put(choices[select.selectedIndex][0], `${NAMES[name]}: ${select.value}.`));
    label.append(NAMES[name], select);
    where.append(label);
    menus.push(() => {
      select.selectedIndex = choices.findIndex(([value]) => value === get());
      label.classList.toggle("gc-lab-differs", where.tagName === "FIELDSET" && model.get("a")[name] !== model.get("b")[name]);
    });
  }
  const [shared, ...own] = all(".gc-lab-set");
  for (const [name, choices] of Object.entries(SHARED)) {
    menu(shared, name, choices, () => model.get(name), (value, text) =>
      set(name === "data" ? onto({ data: value, drawn: [] }) : { [name]: value }, `${text} The runs start anew.`));
  }
  own.forEach((where, r) => Object.entries(OWN).forEach(([name, choices]) => {
    const run = "ab"[r];
    menu(where, name, choices, () => model.get(run)[name], (value, text) =>
      set({ [run]: { ...model.get(run), [name]: value } }, `Run ${"AB"[r]}. ${text}`));
  }));
  const examples = EXAMPLES.map(([title, values, text]) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title;
    button.addEventListener("click", () => {
      set(values, text);
      if (!playing) go(true);
    });
    root.querySelector(".gc-lab-row").append(button);
    return button;
  });
  function sync() {
    menus.forEach((update) => update());
    const now = write(settings()), is = EXAMPLES.findIndex(([, values]) => write(values) === now);
    examples.forEach((button, i) => button.setAttribute("aria-pressed", i === is));
    what.textContent = is < 0 ? "Your own settings." : EXAMPLES[is][2];
  }

  press.play.addEventListener("click", () => go(!playing));
  press.step.addEventListener("click", () => {
    if (playing) go(false);
    telling = true;
    ask(1);
  });
  press.restart.addEventListener("click", () => {
    restart();
    say("Back at the start, with the same settings.");
  });
  press.seed.addEventListener("click", () => set({ seed: (model.get("seed") % 999) + 1 }, "Other initial weights, noise and batches."));
  press.reset.addEventListener("click", () => {
    go(false);
    press.slow.checked = false;
    set(HOME, "All settings as at first.");
  });
  press.link.addEventListener("click", async () => {
    note();
    const copied = await Promise.resolve(navigator.clipboard?.writeText(location.href)).then(() => navigator.clipboard, () => false);
    say(copied ? "The link is copied: it opens the book with these settings." : "The link stands in the address line.");
  });

  // ---- drawing data

  const onGrid = (v) => Math.round(10 * Math.max(-REACH, Math.min(REACH, v))) / 10;
  const before = () => (model.get("data") === "drawn" ? model.get("drawn") : []);
  function put(point) {
    const near = stroke.some(([x, y]) => Math.hypot(point[0] - x, point[1] - y) < 0.15);
    if (!near && stroke.length < DOTS) stroke.push(point);
    draw();
  }
  function finish() {
    if (stroke) set(onto({ data: "drawn", drawn: stroke }), `${stroke.length} points drawn. The runs start anew.`);
    stroke = null;
  }
  planes.forEach((plane, r) => {
    plane.tabIndex = 0;
    plane.setAttribute("role", "application");
    plane.setAttribute("aria-label", `Run ${"AB"[r]}: real points, samples, and where the judge says real. Arrow keys move a cross, Enter puts a real point there.`);
    const at = (event) => {
      const box = plane.getBoundingClientRect();
      return [2 * ((event.clientX - box.left) / box.width) - 1, 1 - 2 * ((event.clientY - box.top) / box.height)].map((v) => onGrid(REACH * v));
    };
    plane.addEventListener("pointerdown", (event) => {
      if (event.button || (event.pointerType === "touch" && model.get("data") !== "drawn")) return;
      plane.setPointerCapture(event.pointerId); // a stroke goes on outside the plane
      stroke = [...before()];
      put(at(event));
    });
    plane.addEventListener("pointermove", (event) => stroke && plane.hasPointerCapture(event.pointerId) && put(at(event)));
    plane.addEventListener("pointerup", finish);
    plane.addEventListener("pointercancel", () => { stroke = null; draw(); }); // the finger scrolls the page
    plane.addEventListener("blur", () => { cross = null; draw(); });
    plane.addEventListener("keydown", (event) => {
      const arrow = ARROWS[event.key];
      if ((!arrow && event.key !== "Enter") || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault(); // the page does not scroll
      event.stopPropagation();
      cross ||= [0, 0];
      if (arrow) {
        cross = cross.map((v, c) => onGrid(v + arrow[c] * (event.shiftKey ? 0.5 : 0.1)));
        say(`${round(cross[0])}, ${round(cross[1])}`);
        return draw();
      }
      stroke = [...before()];
      put(cross);
      finish();
    });
  });

  // ---- start

  function arrive() {
    const values = read(location.hash);
    if (!values) return;
    model.set(values);
    model.save_changes();
    // formulas above change the height of the page while they are set
    Promise.resolve(window.MathJax?.startup?.promise).then(() => root.scrollIntoView());
  }
  const listeners = Object.keys(HOME).map((name) => [`change:${name}`, () => changed(RESTARTS.includes(name))]);
  listeners.forEach(([event, listener]) => model.on(event, listener));
  arrive();
  sync();
  survey();
  window.addEventListener("hashchange", arrive);
  const unwatch = watch([root], () => { ink = ""; draw(); });
  const near = new IntersectionObserver(([{ isIntersecting }]) => {
    if (isIntersecting && !worker) restart();
    if (!isIntersecting && playing) go(false); // nobody looks
  }, { rootMargin: "300px" });
  near.observe(root);

  return () => { // the view is closed
    playing = false;
    near.disconnect();
    unwatch();
    worker?.terminate();
    window.removeEventListener("hashchange", arrive);
    listeners.forEach(([event, listener]) => model.off(event, listener));
  };
}

export default { render };
