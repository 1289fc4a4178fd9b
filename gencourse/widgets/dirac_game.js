// The first live figure of chapter 2: two players, one number each, and where their gradient steps lead.
//
// One plain module without imports. Notebooks run it beside a Python kernel, the book runs the same text with
// none. The data are a point at 0, the generator's point is θ, and the discriminator is D(x) = ψx.

// ---- the game ------------------------------------------------------------------------------------------

const STEPS = 400;

// f'(t): logistic f(t) = −log(1 + e^−t), Wasserstein f(t) = t.
function slope(t, loss) {
  return loss === "wasserstein" ? 1 : 1 / (1 + Math.exp(t));
}

// Where both players want to go: the generator down, the discriminator up, held back by the penalty R1.
export function flow(theta, psi, gamma, loss) {
  const pull = slope(theta * psi, loss);
  return [-psi * pull, theta * pull - gamma * psi];
}

// One step of each player. "simultaneous": both look at the old values; "alternating": the discriminator
// moves first, and the generator answers its new value.
export function step(theta, psi, h, gamma, mode, loss) {
  const newPsi = psi + h * flow(theta, psi, gamma, loss)[1];
  const seen = mode === "alternating" ? newPsi : psi;
  return [theta + h * flow(theta, seen, gamma, loss)[0], newPsi];
}

// θ, ψ, θ, ψ, ...: the start, then every step.
export function run(theta, psi, h, steps, gamma, mode, loss) {
  const path = new Float64Array(2 * steps + 2);
  path.set([theta, psi]);
  for (let n = 1; n <= steps; n++) {
    [theta, psi] = step(theta, psi, h, gamma, mode, loss);
    path[2 * n] = theta;
    path[2 * n + 1] = psi;
  }
  return path;
}

// Trace and determinant of one step near the solution, where f' is a = f'(0) and the step is a 2 × 2 matrix.
function linear(h, gamma, mode, loss) {
  const ha = h * slope(0, loss), keep = 1 - h * gamma;
  return mode === "alternating" ? [1 - ha * ha + keep, keep] : [1 + keep, keep + ha * ha];
}

// |λ|, the larger modulus of that matrix's eigenvalues: what one step does to a small distance.
export function modulus(h, gamma, mode, loss) {
  const [trace, det] = linear(h, gamma, mode, loss);
  const inner = trace * trace / 4 - det;
  return inner < 0 ? Math.sqrt(det) : Math.abs(trace / 2) + Math.sqrt(inner);
}

// What |λ| says in words.
export function verdict(h, gamma, mode, loss) {
  const size = modulus(h, gamma, mode, loss), pull = h * slope(0, loss);
  if (size > 1 + 1e-12) return "spirals out";
  if (size > 1 - 1e-12) return "orbits";
  // The discriminant trace² − 4 det in factors, so that rounding cannot change its sign at critical damping.
  const brake = h * gamma + (mode === "alternating" ? pull * pull : 0);
  return (brake - 2 * pull) * (brake + 2 * pull) < 0 ? "spirals in" : "comes in without turning";
}

// ---- the page around it --------------------------------------------------------------------------------

// A number a reader can take in: three digits, and powers of ten where it is very large or small.
function short(value) {
  if (value === 0 || (value >= 0.001 && value < 10000)) return String(Number(value.toPrecision(3)));
  const power = Math.floor(Math.log10(value));
  return `${(value / 10 ** power).toFixed(1)} × ${tenTo(power)}`;
}

function tenTo(power) {
  return "10" + String(power).replace(/./g, (c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c]));
}

// ---- the figure ----------------------------------------------------------------------------------------

const REACH = 4; // the plane shows both numbers from −4 to 4
const HOME = { start: [1, 0], loss: "logistic", mode: "simultaneous", h: 0.2, gamma: 0 };
const MARGIN = { left: 34, right: 10, top: 10, bottom: 36 }; // CSS pixels around the plane, for the axes
const AROUND = { left: 46, right: 14, top: 30, bottom: 36 }; // and around the curve
const DECADES = [1, 2, 4, 6, 9, 12, 20]; // how far the curve's axis may reach
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

const PAGE = `
  <div class="gc-dirac-views">
    <canvas class="gc-pad" tabindex="0" role="application"
      aria-label="Plane of the generator's θ and the discriminator's ψ. Drag, or use the arrow keys, to move the start; with Shift in larger steps; Home for the first start."
    ></canvas>
    <div class="gc-dirac-side">
      <canvas class="gc-image" role="img" aria-label="Distance from the solution over 400 steps, on a logarithmic axis"></canvas>
      <output class="gc-dirac-result" aria-live="polite"></output>
    </div>
  </div>
  <canvas class="gc-dirac-line" role="img" aria-label="The discriminator's line D(x) = ψx, the real point at 0 and the generator's point θ, at the step that is shown"></canvas>
  <div class="gc-dirac-controls">
    <label>Loss
      <select data-trait="loss"><option value="logistic">logistic</option><option value="wasserstein">Wasserstein</option></select>
    </label>
    <label>Players move
      <select data-trait="mode"><option value="simultaneous">at the same time</option><option value="alternating">in turn, D first</option></select>
    </label>
    <label><span>Step size <i>h</i> <b></b></span>
      <input type="range" data-trait="h" min="0.01" max="0.5" step="0.01">
    </label>
    <label><span>Penalty <i>γ</i> <b></b></span>
      <input type="range" data-trait="gamma" min="0" max="2" step="0.01">
    </label>
    <div>
      <button type="button">Play</button>
      <button type="button">Step</button>
      <button type="button">Reset</button>
    </div>
  </div>
  <p class="gc-dirac-help">Drag the ring to start elsewhere, or use the arrow keys. The small arrows show where the two players pull; the dot is the last step shown. Below: the discriminator's line, which says "made" above the axis, and the two points.</p>`;

function render({ model, el }) {
  const root = document.createElement("div");
  root.className = "gc-dirac";
  root.dataset.lmSuppressShortcuts = "true"; // or JupyterLab takes the arrow keys to move between cells
  root.innerHTML = PAGE;
  el.append(root);
  const [pad, image, below, output] = ["canvas.gc-pad", "canvas.gc-image", "canvas.gc-dirac-line", "output"].map(
    (what) => root.querySelector(what),
  );
  const [play, one, reset] = root.querySelectorAll("button");
  let shown = STEPS, clock = 0; // how many steps are shown
  const controls = [...root.querySelectorAll("[data-trait]")];
  let size = 0, ink = "", paper = "", accent = "", font = "";
  const toX = (theta) => MARGIN.left + ((theta / REACH + 1) / 2) * (size - MARGIN.left - MARGIN.right);
  const toY = (psi) => size - MARGIN.bottom - ((psi / REACH + 1) / 2) * (size - MARGIN.top - MARGIN.bottom);

  // A clean canvas to draw and write on in the page's ink.
  function inked(canvas) {
    const pen = begin(canvas);
    pen.fillStyle = pen.strokeStyle = ink;
    pen.lineWidth = 1;
    pen.textBaseline = "middle";
    return pen;
  }

  function drawPlane(path, gamma, loss) {
    const pen = inked(pad);
    const [left, right, top, bottom] = [MARGIN.left, size - MARGIN.right, MARGIN.top, size - MARGIN.bottom];
    pen.font = `12px ${font}`;
    pen.globalAlpha = 0.8;
    for (let at = -REACH; at <= REACH; at++) {
      const label = String(at).replace("-", "−");
      pen.textAlign = "center";
      pen.fillText(label, toX(at), bottom + 13);
      pen.textAlign = "right";
      pen.fillText(label, left - 7, toY(at));
    }
    pen.font = `italic 14px ${font}`;
    pen.textAlign = "center";
    pen.fillText("θ", toX(REACH - 0.5), bottom + 25);
    pen.fillText("ψ", left - 22, toY(REACH - 0.5));
    pen.globalAlpha = 0.2; // the axes of both players, through the solution
    line(pen, [[toX(0), top], [toX(0), bottom]]);
    line(pen, [[left, toY(0)], [right, toY(0)]]);
    pen.globalAlpha = 0.5;
    line(pen, [[left, top], [left, bottom], [right, bottom]]);

    pen.save();
    pen.beginPath();
    pen.rect(left, top, right - left, bottom - top);
    pen.clip();
    const cell = (right - left) / 13;
    pen.globalAlpha = 0.34;
    pen.beginPath();
    for (let i = 0; i < 13; i++) {
      for (let j = 0; j < 13; j++) {
        const x = left + (i + 0.5) * cell, y = top + (j + 0.5) * cell;
        const [a, b] = flow(((i + 0.5) / 6.5 - 1) * REACH, (1 - (j + 0.5) / 6.5) * REACH, gamma, loss);
        const speed = Math.hypot(a, b);
        if (speed < 1e-9) continue;
        const long = cell * 0.36 * Math.min(1, 0.35 + 0.65 * Math.sqrt(speed / 2)); // half its length
        const u = (a / speed) * long, v = (-b / speed) * long;
        pen.moveTo(x - u, y - v);
        pen.lineTo(x + u, y + v);
        pen.moveTo(x + u - 0.5 * u + 0.3 * v, y + v - 0.5 * v - 0.3 * u);
        pen.lineTo(x + u, y + v);
        pen.lineTo(x + u - 0.5 * u - 0.3 * v, y + v - 0.5 * v + 0.3 * u);
      }
    }
    pen.stroke();

    pen.strokeStyle = pen.fillStyle = accent; // the trail: faint where it starts, strong where it ends
    pen.lineWidth = 1.5;
    const far = 20 * REACH; // beyond this a line only leaves the plane
    const x = (n) => toX(Math.max(-far, Math.min(far, path[2 * n])));
    const y = (n) => toY(Math.max(-far, Math.min(far, path[2 * n + 1])));
    for (let from = 0; from < shown; from += 20) {
      const to = Math.min(shown, from + 20);
      pen.globalAlpha = 0.35 + 0.5 * (from / STEPS);
      pen.beginPath();
      pen.moveTo(x(from), y(from));
      for (let n = from + 1; n <= to; n++) pen.lineTo(x(n), y(n));
      pen.stroke();
      pen.beginPath();
      for (let n = from + 1; n <= to; n++) {
        pen.moveTo(x(n), y(n));
        pen.arc(x(n), y(n), 1.7, 0, 2 * Math.PI);
      }
      pen.fill();
    }
    pen.globalAlpha = 1;
    disc(pen, x(shown), y(shown), 6.5, paper);
    disc(pen, x(shown), y(shown), 4.5, accent);
    pen.restore();
    pen.globalAlpha = 1;
    for (const [colour, thickness] of [[paper, 7], [ink, 2.5]]) { // a halo sets the ring off from the trail
      pen.strokeStyle = colour;
      pen.lineWidth = thickness;
      pen.beginPath();
      pen.arc(x(0), y(0), 8, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  function drawCurve(radii) {
    const pen = inked(image), width = image.clientWidth, height = image.clientHeight;
    const [left, right, top, bottom] = [AROUND.left, width - AROUND.right, AROUND.top, height - AROUND.bottom];
    const logs = radii.map((r) => (r > 0 ? Math.log10(r) : -Infinity));
    const reach = (sign) => {
      const most = logs.reduce((so, log) => Math.max(so, Number.isFinite(log) ? sign * log : 0), 0);
      return sign * (DECADES.find((d) => d >= most) || DECADES[DECADES.length - 1]);
    };
    const low = reach(-1), high = reach(1);
    const toAcross = (n) => left + (n / STEPS) * (right - left);
    const toUp = (log) => bottom - ((Math.max(low - 1, log) - low) / (high - low)) * (bottom - top);

    pen.font = `12px ${font}`;
    const every = [1, 2, 4, 5, 8, 10, 20].find((d) => (high - low) / d <= 6);
    for (let power = Math.ceil(low / every) * every; power <= high; power += every) {
      pen.globalAlpha = 0.8;
      pen.textAlign = "right";
      pen.fillText(tenTo(power), left - 7, toUp(power));
      pen.globalAlpha = 0.12;
      line(pen, [[left, toUp(power)], [right, toUp(power)]]);
    }
    pen.globalAlpha = 0.8;
    pen.textAlign = "center";
    for (let n = 0; n <= STEPS; n += 100) pen.fillText(n, toAcross(n), bottom + 13);
    pen.fillText("step", toAcross(350), bottom + 26);
    pen.textAlign = "left";
    pen.fillText("radius √(θ² + ψ²)", left, 10);
    pen.globalAlpha = 0.5;
    line(pen, [[left, top], [left, bottom], [right, bottom]]);

    pen.save();
    pen.beginPath();
    pen.rect(left, top - 8, width - left, bottom - top + 8);
    pen.clip();
    pen.globalAlpha = 1;
    pen.strokeStyle = accent;
    pen.lineWidth = 2;
    const points = [];
    logs.forEach((log, n) => n <= shown && Number.isFinite(log) && points.push([toAcross(n), toUp(log)]));
    if (points.length) {
      line(pen, points);
      disc(pen, ...points[points.length - 1], 4.5, accent);
    }
    pen.restore();
  }

  // One axis of the pictures x: the real point, the made one with the pull on it, and D as a line over the axis.
  function drawLine(theta, psi, gamma, loss) {
    const pen = inked(below), width = below.clientWidth, middle = below.clientHeight / 2;
    const across = (at) => MARGIN.left + ((at / REACH + 1) / 2) * (width - MARGIN.left - MARGIN.right);
    const up = (value) => middle - (value / 8) * (middle - 8); // steeper lines leave the picture
    pen.globalAlpha = 0.5;
    line(pen, [[across(-REACH), middle], [across(REACH), middle]]);
    pen.save();
    pen.beginPath();
    pen.rect(across(-REACH), 0, width, 2 * middle);
    pen.clip();
    pen.globalAlpha = 1;
    pen.strokeStyle = accent;
    pen.lineWidth = 2;
    line(pen, [[across(-REACH), up(-REACH * psi)], [across(REACH), up(REACH * psi)]]);
    disc(pen, across(0), middle, 5, ink);
    const pull = across(theta + 2 * flow(theta, psi, gamma, loss)[0]), sign = Math.sign(pull - across(theta));
    line(pen, [[across(theta), middle], [pull, middle]]);
    if (Math.abs(pull - across(theta)) > 8) line(pen, [[pull - 6 * sign, middle - 5], [pull, middle], [pull - 6 * sign, middle + 5]]);
    disc(pen, across(theta), middle, 6, accent);
    pen.restore();
    pen.fillStyle = ink;
    pen.globalAlpha = 0.8;
    pen.font = `12px ${font}`;
    pen.textAlign = "center";
    pen.fillText("real", across(0), middle + 17);
    pen.textAlign = "left";
    pen.fillText("D(x) = ψx", across(-REACH), 8);
    pen.textAlign = "right";
    pen.fillText("x", across(REACH), middle + 14);
    pen.font = `italic 14px ${font}`;
    pen.textAlign = "center";
    if (Math.abs(theta) < REACH) pen.fillText("θ", across(theta), middle - 16);
  }

  function draw() {
    const [loss, mode, h, gamma, start] = ["loss", "mode", "h", "gamma", "start"].map((name) => model.get(name));
    for (const control of controls) {
      const value = model.get(control.dataset.trait), number = control.parentElement.querySelector("b");
      if (control.value !== String(value)) control.value = value;
      if (number) number.textContent = value.toFixed(2);
    }
    const path = run(...start, h, STEPS, gamma, mode, loss);
    const radii = Array.from({ length: STEPS + 1 }, (_, n) => Math.hypot(path[2 * n], path[2 * n + 1]));
    const parts = radii[0] === 0 ? ["The start is the solution: nobody moves."] : [
      `after ${shown} steps: radius ${short(radii[shown])} · `,
      `|λ| = ${modulus(h, gamma, mode, loss).toFixed(4)}: ${verdict(h, gamma, mode, loss)}`,
    ];
    output.replaceChildren(...parts.map((part) => { // a line breaks between the two, not within them
      const span = document.createElement("span");
      span.textContent = part;
      return span;
    }));
    if (!pad.clientWidth) return; // the figure is folded away
    size = pad.clientWidth;
    const looks = getComputedStyle(root);
    [ink, font] = [looks.color, looks.fontFamily];
    const dark = isDark(ink);
    paper = dark ? "#000" : "#fff";
    accent = dark ? "#f4a0aa" : "#c23b52";
    drawPlane(path, gamma, loss);
    drawCurve(radii);
    drawLine(path[2 * shown], path[2 * shown + 1], gamma, loss);
  }

  // Shows the steps one by one. A new setting, when nothing plays, shows all of them again.
  function pause() {
    clearInterval(clock);
    clock = 0;
    play.textContent = "Play";
    output.setAttribute("aria-live", "polite");
  }
  function advance() {
    shown = shown < STEPS ? shown + 1 : 1;
    draw();
    if (shown === STEPS || !root.isConnected) pause();
  }
  play.addEventListener("click", () => {
    if (clock) return pause();
    output.setAttribute("aria-live", "off"); // thirty sentences a second help nobody
    play.textContent = "Pause";
    clock = setInterval(advance, 33);
  });
  one.addEventListener("click", () => {
    pause();
    advance();
  });
  function changed() {
    if (!clock) shown = STEPS;
    draw();
  }

  // Setting a trait draws: whoever sets it, this figure, a second view of it, or Python.
  function set(name, value) {
    model.set(name, value);
    model.save_changes();
  }
  const clamp = (value) => Math.max(-REACH, Math.min(REACH, value));
  const moveTo = (theta, psi) => set("start", [clamp(theta), clamp(psi)]);
  function follow(event) {
    const box = pad.getBoundingClientRect();
    const across = (event.clientX - box.left - MARGIN.left) / (size - MARGIN.left - MARGIN.right);
    const up = (box.top + size - MARGIN.bottom - event.clientY) / (size - MARGIN.top - MARGIN.bottom);
    moveTo((2 * across - 1) * REACH, (2 * up - 1) * REACH);
  }
  drag(pad, follow);
  pad.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key], [theta, psi] = model.get("start");
    if ((!arrow && event.key !== "Home") || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault(); // the page does not scroll
    event.stopPropagation();
    const part = event.shiftKey ? 0.5 : 0.1;
    if (arrow) moveTo(theta + part * arrow[0], psi + part * arrow[1]);
    else moveTo(...HOME.start);
  });
  for (const control of controls) {
    const range = control.type === "range";
    control.addEventListener(range ? "input" : "change", () =>
      set(control.dataset.trait, range ? Number(control.value) : control.value),
    );
  }
  reset.addEventListener("click", () => {
    pause();
    Object.entries(HOME).forEach(([name, value]) => set(name, value));
    changed(); // also where only the steps were played
  });

  const unwatch = watch([root], draw);
  const changes = Object.keys(HOME).map((name) => `change:${name}`);
  changes.forEach((change) => model.on(change, changed));
  draw();

  return () => { // the view is closed
    pause();
    unwatch();
    changes.forEach((change) => model.off(change, changed));
  };
}

function line(pen, points) {
  pen.beginPath();
  points.forEach(([x, y]) => pen.lineTo(x, y));
  pen.stroke();
}

function disc(pen, x, y, radius, colour) {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

export default { render };
