// The live figure of chapter 6: the gain of more processes, eq. (6.5), from a measured step of a + bB seconds.
//
// One plain module without imports (page.js stands in front of it). Notebooks run it beside a Python kernel, the book
// runs the same text with none.

// The share of a step that every process pays again.
export function share(a, b, batch) {
  return a / (a + b * batch);
}

// How many times faster so many processes are than one.
export function gain(s, processes) {
  return 1 / (s + (1 - s) / processes);
}

const HOME = { kind: 0, batch: 6, processes: 3 };
const [MOST, LEAST_BATCH, MOST_BATCH] = [7, 2, 12]; // exponents of two
const MARGIN = { left: 44, right: 22, top: 30, bottom: 46 }; // CSS pixels around the plot, for the axes

const PAGE = `
  <div class="gc-gain-views">
    <div class="gc-gain-control">
      <label>Network <select></select></label>
      <label><span>Pictures in a mini-batch, of all processes together: <b></b></span>
        <input type="range" min="${LEAST_BATCH}" max="${MOST_BATCH}" step="1">
      </label>
      <button type="button">Reset</button>
    </div>
    <canvas class="gc-pad" tabindex="0" role="slider" aria-valuemin="1" aria-valuemax="${2 ** MOST}"
      aria-label="Gain against the number of processes. Click or drag to choose a number, or use the arrow keys."></canvas>
    <div class="gc-gain-result">
      <canvas class="gc-image" role="img"></canvas>
      <output aria-live="polite"></output>
      <p class="gc-figure-help">Choose the number of processes in the plot with a click or the left and right arrow keys. Both axes are logarithmic.</p>
    </div>
  </div>`;

// 0.0123 as "12.3 ms".
export function told(seconds) {
  return seconds < 1 ? `${(1000 * seconds).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`;
}

function render({ model, el }) {
  const root = frame(el, "gc-gain", PAGE);
  const [menu, slider, number, reset, pad, image, output] = [
    "select", "[type=range]", "b", "button", "canvas.gc-pad", "canvas.gc-image", "output",
  ].map((what) => root.querySelector(what));
  for (const name of model.get("names")) menu.append(new Option(name));

  function chosen() {
    const kind = Math.min(model.get("kind"), model.get("names").length - 1);
    const [a, b] = [model.get("fixed")[kind], model.get("each")[kind]];
    const batch = 2 ** model.get("batch"), processes = 2 ** model.get("processes"), s = share(a, b, batch);
    return { kind, a, b, batch, processes, s };
  }

  function scales() {
    const [left, right] = [MARGIN.left, pad.clientWidth - MARGIN.right];
    const [top, bottom] = [MARGIN.top, pad.clientHeight - MARGIN.bottom];
    return {
      left, right, top, bottom,
      toX: (exponent) => left + (exponent / MOST) * (right - left),
      toY: (times) => bottom - (Math.log2(times) / MOST) * (bottom - top),
    };
  }

  function drawPlot({ s, processes, batch }) {
    const { ink, font, paper, shade } = look(root), pen = begin(pad);
    const { left, right, top, bottom, toX, toY } = scales(), accent = shade("#4477aa"), other = shade("#aa3377");
    pen.fillStyle = pen.strokeStyle = ink;
    pen.font = `12px ${font}`;
    pen.textBaseline = "middle";
    pen.lineWidth = 1;
    for (let exponent = 0; exponent <= MOST; exponent++) {
      const at = 2 ** exponent;
      pen.globalAlpha = 0.8;
      pen.textAlign = "center";
      pen.fillText(at, toX(exponent), bottom + 13);
      pen.textAlign = "right";
      pen.fillText(at, left - 7, toY(at));
      pen.globalAlpha = 0.12;
      stroke(pen, [[toX(exponent), top], [toX(exponent), bottom]]);
      stroke(pen, [[left, toY(at)], [right, toY(at)]]);
    }
    pen.globalAlpha = 0.8;
    pen.textAlign = "left";
    pen.fillText("times faster than one process", 4, 10);
    pen.textAlign = "right";
    pen.fillText("processes", right, bottom + 33);

    pen.globalAlpha = 0.5; // as many times faster as there are processes
    pen.setLineDash([2, 5]);
    stroke(pen, [[toX(0), toY(1)], [toX(MOST), toY(2 ** MOST)]]);
    if (1 / s < 2 ** MOST) { // no number of processes comes above
      pen.globalAlpha = 1;
      pen.strokeStyle = other;
      pen.setLineDash([8, 5]);
      stroke(pen, [[left, toY(1 / s)], [right, toY(1 / s)]]);
      pen.fillStyle = other;
      pen.textAlign = "left";
      pen.fillText(`ceiling 1/s = ${(1 / s).toPrecision(3)}`, left + 6, toY(1 / s) - 10);
    }
    pen.setLineDash([]);
    pen.globalAlpha = 1;
    pen.strokeStyle = accent;
    pen.lineWidth = 2.5;
    const whole = Math.min(MOST, Math.log2(batch)); // each needs a picture at least
    stroke(pen, Array.from({ length: 41 }, (_, i) => (i / 40) * whole).map((e) => [toX(e), toY(gain(s, 2 ** e))]));
    const [x, y] = [toX(Math.log2(processes)), toY(gain(s, processes))];
    for (const [radius, colour] of [[9, paper], [6, accent]]) {
      pen.fillStyle = colour;
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  // A step of one process, and of each of several, as bars: what is fixed, and what is for pictures.
  function drawBars({ a, b, batch, processes }) {
    const { ink, font, shade } = look(root), pen = begin(image), width = image.clientWidth / (a + b * batch);
    [1, processes].forEach((count, row) => {
      const top = 4 + 44 * row, pictures = (b * batch) / count;
      pen.fillStyle = shade("#aa3377");
      pen.fillRect(0, top, a * width, 16);
      pen.fillStyle = shade("#4477aa");
      pen.fillRect(a * width, top, pictures * width, 16);
      pen.fillStyle = ink;
      pen.font = `12px ${font}`;
      pen.textBaseline = "top";
      pen.fillText(count === 1 ? "one process: fixed, then pictures" : `each of ${count} processes`, 0, top + 20);
    });
  }

  function draw() {
    const now = chosen(), { a, b, batch, s } = now;
    now.processes = Math.min(now.processes, batch); // each needs a picture at least
    const times = gain(s, now.processes), name = model.get("names")[now.kind];
    menu.selectedIndex = now.kind;
    slider.value = model.get("batch");
    slider.setAttribute("aria-valuetext", `${batch} pictures`);
    number.textContent = batch;
    const many = now.processes === 1 ? "One process" : `${now.processes} processes`;
    output.textContent = `A step of one process: ${told(a + b * batch)}, fixed share s = ${(100 * s).toPrecision(2)}\u202f%\n${many}, ${batch / now.processes} pictures each: ${told((a + b * batch) / times)}\n${times.toPrecision(3)} times faster: each works ${Math.round((100 * times) / now.processes)}\u202f% as well as one alone`;
    pad.setAttribute("aria-valuenow", now.processes);
    pad.setAttribute("aria-valuetext", `${name}: ${many}, ${times.toPrecision(3)} times faster than one`);
    image.setAttribute("aria-label", `Bars of a step's time. One process: fixed ${told(a)}, pictures ${told(b * batch)}. Each of ${now.processes}: fixed ${told(a)}, pictures ${told((b * batch) / now.processes)}.`);
    if (!pad.clientWidth) return; // the figure is folded away
    drawPlot(now);
    drawBars(now);
  }

  // Setting a trait draws: whoever sets it, this figure, a second view of it, or Python.
  function set(values) {
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    model.save_changes();
  }
  const go = (processes) => set({ processes: Math.max(0, Math.min(MOST, model.get("batch"), processes)) });
  function follow(event) {
    const { left, right } = scales(), place = pad.getBoundingClientRect();
    go(Math.round(((event.clientX - place.left - left) / (right - left)) * MOST));
  }
  menu.addEventListener("change", () => set({ kind: menu.selectedIndex }));
  slider.addEventListener("input", () => set({ batch: Number(slider.value) }));
  reset.addEventListener("click", () => set(HOME));
  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return; // the first button, a finger or a pen
    pad.setPointerCapture(event.pointerId); // a drag goes on outside the pad
    follow(event);
  });
  pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && follow(event));
  pad.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    const to = { Home: 0, End: MOST }[event.key];
    if ((!by && to === undefined) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault(); // the page does not scroll
    event.stopPropagation();
    go(by ? Math.min(model.get("processes"), model.get("batch")) + by : to);
  });

  const unwatch = watch([root], draw), changes = Object.keys(HOME).map((name) => `change:${name}`);
  changes.forEach((change) => model.on(change, draw));
  draw();

  return () => { // the view is closed
    unwatch();
    changes.forEach((change) => model.off(change, draw));
  };
}

function stroke(pen, points) {
  pen.beginPath();
  points.forEach(([x, y]) => pen.lineTo(x, y));
  pen.stroke();
}

export default { render };
