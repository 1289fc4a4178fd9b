// What the laboratories share: points in the plane, two runs of small networks that train side by side, and the page
// that plays, draws and remembers them.
//
// A figure's text is page.js, engine.js, this and its own, which says in an object LAB what its runs are. Nothing is
// imported. The text runs twice: in the page, which draws, and in a worker that the page starts from the same text,
// which trains. Nothing is fetched, and no kernel is needed.

// ---- the data ------------------------------------------------------------------------------------------

const REACH = 3; // the plane shows both coordinates from −3 to 3
const BATCH = 32; // points in a step
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

// The law of the data, and the real points that are shown.
export function survey({ data, drawn }, source = law(data, drawn)) {
  const dice = chance(1), most = { point: 1, drawn: 20 * drawn.length || 1 }[data] || 400;
  return { ...source, real: Array.from({ length: Math.min(most, 400) }, () => source.draw(dice)) };
}

// ---- a run ---------------------------------------------------------------------------------------------

const MOMENTUM = { 0: [0, 0.99], 0.5: [0.5, 0.99], 0.9: [0.9, 0.999] }; // Adam's pairs, as in the chapters

// A network with these widths, as PyTorch starts it but for the draws.
function network(sizes, { uniform }) {
  return sizes.slice(1).map((rows, k) => {
    const columns = sizes[k], draw = (length) => Float64Array.from({ length }, () => (2 * uniform() - 1) / Math.sqrt(columns));
    return { w: draw(rows * columns), b: draw(rows), rows, columns };
  });
}

function move(net, grads, state, { momentum, rate }) {
  grads.forEach((grad, k) => net[k].still && grad[net[k].still].fill(0));
  if (momentum !== "plain") return adam(net, grads, state, rate, ...MOMENTUM[momentum]);
  net.forEach((layer, k) => ["w", "b"].forEach((part) => layer[part].forEach((_, i) => {
    layer[part][i] -= rate * grads[k][part][i];
  })));
}

const SIDE = 20; // cells of a field in each direction
// Values in the middles of the field's cells, row after row from above.
const field = (value) => {
  const at = (i) => (((i + 0.5) / SIDE) * 2 - 1) * REACH;
  return Array.from({ length: SIDE * SIDE }, (_, i) => value([at(i % SIDE), -at(Math.floor(i / SIDE))]));
};
const floats = (list) => Float32Array.from(list.flatMap((x) => [...x]));

// ---- the worker ----------------------------------------------------------------------------------------

// Makes as many steps as it is asked for, or as fit into a part of a frame, but at least one. On a slow machine steps
// get as much time as pictures. LAB.survey: what is known of the data. LAB.fresh: a run with its `step`. LAB.round: one
// step of it. LAB.picture: what is shown of it, among others its `samples`, `pulls` and `field`.
function serve(LAB) {
  let setup, source, games, spent = 0;
  onmessage = ({ data }) => {
    if (data.setup) setup = data.setup;
    if (data.restart) {
      source = LAB.survey(setup);
      games = ["a", "b"].map((r) => ({ run: LAB.fresh(setup.units, chance(setup.seed), setup[r]), dice: chance(setup.seed + 1) }));
    }
    if (data.steps === undefined) return;
    const hows = [setup.a, setup.b], start = performance.now();
    for (let n = 0; n < data.steps && (!n || performance.now() - start < Math.max(6, spent)); n++) {
      games.forEach(({ run, dice }, r) => LAB.round(run, hows[r], source, dice));
    }
    const middle = performance.now(), runs = games.map(({ run }, r) => LAB.picture(run, hows[r], source, setup.seed));
    spent = performance.now() - middle;
    postMessage({ id: data.id, step: games[0].run.step, runs });
  };
}

// ---- settings and the address --------------------------------------------------------------------------

const plain = (list) => list.map((value) => [value, String(value)]);
const SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"; // a coordinate: −3, −2.9, ..., 3
const DOTS = 150; // points of a drawing

// How the settings become the end of an address, `write`, and how an address becomes settings, `read`: null where it is
// about something else. What it does not say, or says wrongly, is as in the first example.
function address({ name, shared, own, examples }) {
  const home = examples[0][1];
  const choose = (choices, text, otherwise) => (choices.find(([value]) => String(value) === text) || [otherwise])[0];
  const write = ({ data, units, seed, drawn, a, b }) => {
    const list = (how) => Object.keys(own).map((one) => how[one]).join();
    const dots = drawn.flat().map((v) => SIGNS[Math.round(10 * (v + REACH))]).join("");
    return `#${name}&data=${data}&units=${units}&seed=${seed}&a=${list(a)}&b=${list(b)}${dots && `&drawn=${dots}`}`;
  };
  const read = (hash) => {
    if (!hash.startsWith(`#${name}`)) return null;
    const found = new URLSearchParams(hash.slice(1)), seed = Number(found.get("seed"));
    const list = (run) => {
      const texts = (found.get(run) || "").split(",");
      return Object.fromEntries(Object.keys(own).map((one, i) => [one, choose(own[one], texts[i], home[run][one])]));
    };
    const dots = (found.get("drawn") || "").match(/[0-9A-Za-y]{2}/g) || [];
    return {
      data: choose(shared.data, found.get("data"), home.data),
      units: choose(shared.units, found.get("units"), home.units),
      seed: Number.isInteger(seed) && seed > 0 && seed < 1e6 ? seed : home.seed,
      drawn: dots.slice(0, DOTS).map((dot) => [...dot].map((s) => (SIGNS.indexOf(s) - 10 * REACH) / 10)),
      a: list("a"),
      b: list("b"),
    };
  };
  return { write, read };
}

// ---- drawing -------------------------------------------------------------------------------------------

const LIGHT = { runs: ["#c2410c", "#5d3a9b"], real: "#5b6470", high: [150, 196, 232], low: [244, 239, 229], arrow: "#1f2937" };
const DARK = { runs: ["#ff9d5c", "#c9a6ff"], real: "#97a1ad", high: [38, 82, 122], low: [31, 29, 30], arrow: "#e5e9ef" };
const KEPT = 500; // moments in a curve; when there are more, every second one goes
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

const round = (v) => (Math.abs(v) < 1000 ? v.toFixed(2) : v.toExponential(1)).replace("-", "−");
const pairs = (flat) => Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
// From the plane to a square of this size.
const placed = (size) => ([x, y]) => [((x / REACH + 1) / 2) * size, ((1 - y / REACH) / 2) * size];

function dots(pen, list, to, radius) {
  pen.beginPath();
  for (const [x, y] of list.map(to)) {
    pen.moveTo(x + radius, y);
    pen.arc(x, y, radius, 0, 2 * Math.PI);
  }
  pen.fill();
}
function line(pen, list, to = (p) => p) {
  pen.beginPath();
  list.forEach((p) => pen.lineTo(...to(p)));
  pen.stroke();
}
function arrows(pen, list, ends, to, scale = 1) {
  pen.beginPath();
  list.forEach((p, i) => {
    const [dx, dy] = ends[i], long = Math.hypot(dx, dy), shown = Math.min(scale * long, 0.8) / long;
    const [x, y] = to(p), [px, py] = to([p[0] + shown * dx, p[1] + shown * dy]), [u, v] = [px - x, py - y];
    if (!(Math.hypot(u, v) > 1.5)) return; // too short to see
    pen.moveTo(x, y);
    pen.lineTo(px, py);
    pen.moveTo(px - 0.3 * (u - 0.6 * v), py - 0.3 * (v + 0.6 * u));
    pen.lineTo(px, py);
    pen.lineTo(px - 0.3 * (u + 0.6 * v), py - 0.3 * (v - 0.6 * u));
  });
  pen.stroke();
}

// ---- the page ------------------------------------------------------------------------------------------

function html({ curve, sharedName, help }) {
  const side = (run) => `
  <figure>
    <figcaption><b>${run}</b> <output></output></figcaption>
    <canvas class="gc-lab-plane ${run === "A" ? "gc-pad" : "gc-image"}"></canvas>
    ${curve ? `<canvas class="gc-lab-curve" role="img" aria-label="Losses of run ${run} over the steps: ${curve}"></canvas>` : ""}
  </figure>`;
  return `
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
  <canvas class="gc-lab-strip${curve ? "" : " gc-lab-tall"}" role="img" aria-label="Both runs, over the steps"></canvas>
  <div class="gc-lab-set" role="group" aria-label="${sharedName}"></div>
  <div class="gc-lab-runs">
    <fieldset class="gc-lab-set"><legend>Run A</legend></fieldset><fieldset class="gc-lab-set"><legend>Run B</legend></fieldset>
  </div>
  <p class="gc-figure-help">${help} What differs between the runs is bold. Settings act at once, also in play; data, networks and seed start anew. To make data, draw on a plane; with a finger choose "your drawing" first; with keys move the cross and press Enter.</p>`;
}

// How a laboratory is shown. `examples` are [title, settings, what to see], the first one is home; `shared` and `own`
// hold the choices [value, text] of a setting, `names` how it is called; a change of `anew` among them starts anew.
function laboratory(LAB) {
  const { write, read } = address(LAB), { shared, own, names, examples } = LAB, home = examples[0][1];
  return ({ model, el }) => {
    const root = frame(el, "gc-lab", html(LAB)), all = (what) => [...root.querySelectorAll(what)];
    const planes = all(".gc-lab-plane"), curves = all(".gc-lab-curve"), captions = all("figcaption output");
    const [what, said, strip] = ["what", "said", "strip"].map((name) => root.querySelector(`.gc-lab-${name}`));
    const press = Object.fromEntries(all("[data-do]").map((button) => [button.dataset.do, button]));
    const heat = document.createElement("canvas");
    heat.width = heat.height = SIDE;
    let worker = null, id = 0, flying = 0, latest = null, playing = false, telling = false, timer = 0, waits = false;
    let past = [], every = 1, count = 0, trails = [[], []]; // what is remembered of this game
    let stroke = null, cross = null, dirty = false, began = "", ink = "", font = "", colours = LIGHT;

    const settings = () => Object.fromEntries(Object.keys(home).map((name) => [name, model.get(name)]));
    const say = (text) => { said.textContent = text; };
    let source = LAB.survey(settings());

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
      if (!telling || playing || flying) return; // the last answer is told
      telling = false;
      say(sentence());
    }
    const lost = () => !latest.runs.every(({ samples }) => samples.every(Number.isFinite));
    function next() {
      if (!press.slow.checked) ask(LAB.few(settings()) ? 1 : 4);
      else timer = setTimeout(() => playing && ask(1), 350);
    }
    function restart() {
      clearTimeout(timer);
      id++;
      flying = 0;
      telling = false;
      [past, every, count, trails] = [[], 1, 0, [[], []]];
      source = LAB.survey(settings());
      began = start(settings());
      ask(0, { setup: settings(), restart: true });
    }
    function remember() {
      latest.runs.forEach(({ samples }, r) => {
        trails[r].push([samples[0], samples[1]]);
        if (trails[r].length > 150) trails[r].shift();
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
    function sentence() {
      if (!latest || latest.id !== id) return "";
      if (lost()) return `A run has left the finite numbers. Press Restart, and ${LAB.cure}.`;
      const of = latest.runs.map((run, r) => `${"AB"[r]}: ${LAB.score(run, source, settings())}${LAB.more(run, latest.step)}`);
      return `Step ${latest.step}. ${of.join(". ")}.`;
    }

    // ---- pictures

    function drawPlane(canvas, r) {
      const pen = begin(canvas), size = canvas.clientWidth, radius = size < 250 ? 1.6 : 2.4, few = LAB.few(settings()), to = placed(size);
      const run = latest ? latest.runs[r] : { samples: [], pulls: [], field: new Uint8Array(SIDE * SIDE) };
      const on = heat.getContext("2d"), pixels = on.createImageData(SIDE, SIDE);
      run.field.forEach((part, i) => {
        for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = colours.low[c] + (part / 255) * (colours.high[c] - colours.low[c]);
        pixels.data[4 * i + 3] = 255;
      });
      on.putImageData(pixels, 0, 0);
      pen.drawImage(heat, 0, 0, size, size);
      pen.fillStyle = colours.real;
      pen.globalAlpha = 0.55;
      dots(pen, stroke || source.real, to, stroke || source.real.length < 3 ? 5 : radius * 0.7);
      pen.fillStyle = pen.strokeStyle = colours.runs[r];
      pen.lineWidth = 1.5;
      LAB.under(pen, to, run, trails[r], few, colours, source);
      const list = pairs(few ? run.samples.slice(0, 2) : run.samples);
      pen.globalAlpha = 0.9;
      dots(pen, list, to, few ? 5 : radius);
      pen.strokeStyle = colours.arrow;
      pen.globalAlpha = few ? 0.9 : 0.55;
      pen.lineWidth = size < 250 ? 0.8 : 1;
      arrows(pen, run.from ? pairs(run.from) : list, pairs(run.pulls), to, LAB.scale);
      if (!cross) return;
      const [x, y] = to(cross);
      pen.globalAlpha = 1;
      pen.lineWidth = 2;
      pen.beginPath();
      for (const [u, v] of [[9, 0], [0, 9]]) {
        pen.moveTo(x - u, y - v);
        pen.lineTo(x + u, y + v);
      }
      pen.stroke();
    }

    // Curves [colour, dash, values] over the steps that are remembered, between low and high, under a title. Labels
    // are [value, text].
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
      for (const [v, text] of labels) pen.fillText(text, left - 6, up(v));
      pen.fillText(`step ${last}`, width - 2, bottom + 11);
      pen.globalAlpha = 0.15;
      for (const [v] of labels) line(pen, [[left, up(v)], [width - 2, up(v)]]);
      pen.globalAlpha = 1;
      pen.lineWidth = 1.6;
      for (const [colour, dash, values] of lines) {
        pen.strokeStyle = colour;
        pen.setLineDash(dash);
        line(pen, values.map((v, i) => [left + (past[i].step / last) * (width - left - 2), up(Math.max(low, Math.min(high, v)))]));
      }
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
      const of = [0, 1].map((r) => past.map(({ runs }) => runs[r]));
      curves.forEach((canvas, r) => drawCurves(canvas, ...LAB.curves(of[r], colours.runs[r])));
      const [title, ...rest] = LAB.strip(of, colours.runs, source, settings());
      strip.setAttribute("aria-label", `${title} of both runs, over the steps`);
      drawCurves(strip, title, ...rest);
      captions.forEach((caption, r) => { caption.textContent = LAB.score(latest.runs[r], source, settings()); });
    }

    // ---- settings

    // Setting a trait acts: whoever sets it, this figure, a second view of it, or Python. All changes of a moment at once.
    const start = ({ a, b, ...more }) => JSON.stringify([more, ...LAB.anew.map((name) => [a[name], b[name]])]);
    function changed() {
      if (!dirty) queueMicrotask(() => {
        dirty = false;
        sync();
        if (!worker || start(settings()) !== began) restart();
        else ask(playing ? undefined : 0, { setup: settings() });
      });
      dirty = true;
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
    const menus = [];
    function menu(where, name, choices, get, put) {
      const label = document.createElement("label"), select = document.createElement("select");
      choices.forEach(([, text]) => select.add(new Option(text)));
      select.addEventListener("change", () => put(choices[select.selectedIndex][0], `${names[name]}: ${select.value}.`));
      label.append(names[name], select);
      where.append(label);
      menus.push(() => {
        select.selectedIndex = choices.findIndex(([value]) => value === get());
        label.classList.toggle("gc-lab-differs", where.tagName === "FIELDSET" && model.get("a")[name] !== model.get("b")[name]);
      });
    }
    const anew = " The runs start anew.", [both, ...each] = all(".gc-lab-set");
    for (const [name, choices] of Object.entries(shared)) {
      menu(both, name, choices, () => model.get(name), (value, text) =>
        set(name === "data" ? LAB.fit({ data: value, drawn: [] }, settings()) : { [name]: value }, text + anew));
    }
    each.forEach((where, r) => Object.entries(own).forEach(([name, choices]) => {
      const run = "ab"[r];
      menu(where, name, choices, () => model.get(run)[name], (value, text) =>
        set({ [run]: { ...model.get(run), [name]: value } }, `Run ${"AB"[r]}. ${text}${LAB.anew.includes(name) ? anew : ""}`));
    }));
    const buttons = examples.map(([title, values, text]) => {
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
      const now = write(settings()), is = examples.findIndex(([, values]) => write(values) === now);
      buttons.forEach((button, i) => button.setAttribute("aria-pressed", i === is));
      what.textContent = is < 0 ? "Your own settings." : examples[is][2];
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
      set(home, "All settings as at first.");
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
      if (nearest(stroke, point)[1] >= 0.15 && stroke.length < DOTS) stroke.push(point);
      draw();
    }
    function finish() {
      if (stroke) set(LAB.fit({ data: "drawn", drawn: stroke }, settings()), `${stroke.length} points drawn.${anew}`);
      stroke = null;
    }
    planes.forEach((plane, r) => {
      plane.tabIndex = 0;
      plane.setAttribute("role", "application");
      plane.setAttribute("aria-label", `Run ${"AB"[r]}: ${LAB.plane}. Arrow keys move a cross, Enter puts a real point there.`);
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
    const events = Object.keys(home).map((name) => `change:${name}`);
    events.forEach((event) => model.on(event, changed));
    arrive();
    sync();
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
      events.forEach((event) => model.off(event, changed));
    };
  };
}
