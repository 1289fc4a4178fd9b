// The second live figure of chapter 2: recorded training runs in the plane, played frame by frame.
//
// One plain module without imports. Notebooks run it beside a Python kernel, the book runs the same text with
// none. Everything that is drawn was recorded: `unpack` turns the bytes back into numbers.

// ---- the recording -------------------------------------------------------------------------------------

const TOP = 65534; // of a number sent as two bytes; 65535 says: outside what is shown

// Real points (x, y, ...), and of each run its samples (x, y, ...), arrows' feet (x, y, ...) and lengths (dx,
// dy, ...), frame after frame, in the figure's own measure: 0 is the lowest coordinate shown, 1 the highest.
// What lies outside is NaN. The field stays in bytes, row after row from below: 255 is "real".
export function unpack(bytes, points, sizes, frames) {
  const data = view(bytes);
  let next = 0;
  function numbers(count) {
    const found = new Float32Array(count);
    for (let i = 0; i < count; i++, next += 2) {
      const whole = data.getUint16(next, true);
      found[i] = whole > TOP ? NaN : whole / TOP;
    }
    return found;
  }
  const real = numbers(2 * points);
  const runs = sizes.map(([samples, side, arrows]) => {
    const run = {
      samples: numbers(2 * samples * frames),
      feet: numbers(2 * arrows * frames),
      lengths: numbers(2 * arrows * frames).map((part) => 2 * part - 1),
      field: new Uint8Array(data.buffer, data.byteOffset + next, side * side * frames),
    };
    next += side * side * frames;
    return run;
  });
  return { real, runs };
}

// ---- the page around it --------------------------------------------------------------------------------

// 12000 as "12 000", with a space that does not break.
function grouped(whole) {
  return String(whole).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

// ---- the figure ----------------------------------------------------------------------------------------

const LIGHT = { runs: ["#c2410c", "#5d3a9b"], real: "#5b6470", high: [150, 196, 232], low: [244, 239, 229], arrow: "#1f2937" };
const DARK = { runs: ["#ff9d5c", "#c9a6ff"], real: "#97a1ad", high: [38, 82, 122], low: [31, 29, 30], arrow: "#e5e9ef" };
const AROUND = { left: 30, right: 12, top: 24, bottom: 24 }; // CSS pixels around the strip
const PER_SECOND = 10; // frames, when playing

const ICONS = {
  back: '<path d="M2 2h2.5v12H2zM14 2v12L5.5 8z"/>',
  play: '<path d="M3 1.5v13L14 8z"/>',
  pause: '<path d="M3 2h3.5v12H3zM9.5 2H13v12H9.5z"/>',
  reset: '<path d="M8 2a6 6 0 1 1-5.6 3.8l1.9.7A4 4 0 1 0 8 4v2.6L3.6 3.3 8 0z"/>',
  forward: '<path d="M11.5 2H14v12h-2.5zM2 2v12l8.5-6z"/>',
};
const icon = (name) => `<svg viewBox="0 0 16 16" aria-hidden="true">${ICONS[name]}</svg>`;

const PAGE = `
  <div class="gc-run-views"></div>
  <canvas class="gc-image" role="img"></canvas>
  <canvas class="gc-run-losses" role="img" aria-label="Losses of the discriminator (solid) and of the generator (dashed) over the steps of training"></canvas>
  <div class="gc-run-controls">
    <button type="button" data-do="back" aria-label="One frame back">${icon("back")}</button>
    <button type="button" data-do="play" aria-label="Play">${icon("play")}</button>
    <button type="button" data-do="forward" aria-label="One frame forward">${icon("forward")}</button>
    <input type="range" min="0" step="1" aria-label="Time of training">
    <button type="button" data-do="reset" aria-label="Reset">${icon("reset")}</button>
  </div>
  <output class="gc-run-result" aria-live="polite"></output>
  <ul class="gc-run-legend">
    <li><span data-key="real"></span>real points</li>
    <li><span data-key="samples"></span>samples</li>
    <li>D: generated <span data-key="field"></span> real</li>
    <li data-key="arrows">→ where the generator is pulled</li>
  </ul>`;

function render({ model, el }) {
  const steps = model.get("steps"), sizes = model.get("sizes"), titles = model.get("titles");
  const coverage = model.get("coverage"), clusters = model.get("clusters"), frames = steps.length;
  const losses = model.get("losses"), bars = losses.some((pairs) => pairs.length);
  const { real, runs } = unpack(model.get("data"), model.get("points"), sizes, frames);

  const root = document.createElement("div");
  root.className = "gc-run";
  root.dataset.lmSuppressShortcuts = "true"; // or JupyterLab takes the arrow keys to move between cells
  root.innerHTML = PAGE;
  el.append(root);
  const [views, strip, slider, output] = [".gc-run-views", "canvas.gc-image", "input", "output"].map(
    (what) => root.querySelector(what),
  );
  const below = root.querySelector(".gc-run-losses");
  below.hidden = !bars;
  const [back, play, forward, reset] = root.querySelectorAll("button");
  const key = (name) => root.querySelector(`[data-key=${name}]`);
  const planes = titles.map((title, r) => {
    const figure = document.createElement("figure"), caption = document.createElement("figcaption");
    const canvas = document.createElement("canvas");
    caption.textContent = caption.title = title;
    canvas.className = r ? "gc-run-plane" : "gc-run-plane gc-pad";
    if (r) {
      canvas.setAttribute("role", "img");
    } else { // the first one takes the keys, for both
      canvas.tabIndex = 0;
      canvas.setAttribute("role", "slider");
      canvas.setAttribute("aria-valuemin", 0);
      canvas.setAttribute("aria-valuemax", frames - 1);
    }
    const what = "real points, samples, and what the discriminator says of each place";
    canvas.setAttribute("aria-label", `${title}: ${what}.${r ? "" : " Drag across, or use the left and right arrow keys, to move through time."}`);
    figure.append(caption, canvas);
    views.append(figure);
    return canvas;
  });
  slider.max = frames - 1;
  strip.setAttribute("aria-label", `Number of the ${clusters} clusters that are covered, over the steps of training`);
  key("arrows").hidden = sizes.every(([, , arrows]) => !arrows);
  if (key("arrows").hidden) key("arrows").style.display = "none";

  const heat = document.createElement("canvas"); // the field, one pixel a cell
  let colours = LIGHT, ink = "", font = "", dark = false;

  function drawField(pen, r, frame, width) {
    const side = sizes[r][1], first = frame * side * side;
    heat.width = heat.height = side;
    const on = heat.getContext("2d"), pixels = on.createImageData(side, side);
    for (let i = 0, p = 0; i < side; i++) {
      for (let j = 0; j < side; j++, p += 4) {
        const part = runs[r].field[first + (side - 1 - i) * side + j] / 255;
        for (let c = 0; c < 3; c++) pixels.data[p + c] = colours.low[c] + part * (colours.high[c] - colours.low[c]);
        pixels.data[p + 3] = 255;
      }
    }
    on.putImageData(pixels, 0, 0);
    const cell = width / (side - 1); // the outer cells' centres lie on the plane's edge
    pen.imageSmoothingEnabled = true;
    pen.imageSmoothingQuality = "high";
    pen.drawImage(heat, -cell / 2, -cell / 2, width + cell, width + cell);
  }

  function dots(pen, points, from, to, width, radius) {
    pen.beginPath();
    for (let i = from; i < to; i += 2) {
      if (Number.isNaN(points[i])) continue;
      const x = points[i] * width, y = (1 - points[i + 1]) * width;
      pen.moveTo(x + radius, y);
      pen.arc(x, y, radius, 0, 2 * Math.PI);
    }
    pen.fill();
  }

  function drawRun(r, frame) {
    const canvas = planes[r], pen = begin(canvas), width = canvas.clientWidth;
    const [samples, , arrows] = sizes[r], small = width < 250;
    drawField(pen, r, frame, width);
    pen.fillStyle = colours.real;
    pen.globalAlpha = 0.55;
    dots(pen, real, 0, real.length, width, small ? 1 : 1.5);
    pen.fillStyle = colours.runs[r];
    pen.globalAlpha = 0.85;
    dots(pen, runs[r].samples, 2 * samples * frame, 2 * samples * (frame + 1), width, small ? 1.5 : 2.2);
    pen.strokeStyle = colours.arrow;
    pen.globalAlpha = 0.75;
    pen.lineWidth = small ? 1 : 1.3;
    pen.beginPath();
    for (let i = 2 * arrows * frame; i < 2 * arrows * (frame + 1); i += 2) {
      const [x, y] = [runs[r].feet[i] * width, (1 - runs[r].feet[i + 1]) * width];
      const [u, v] = [runs[r].lengths[i] * width, -runs[r].lengths[i + 1] * width], long = Math.hypot(u, v);
      if (!(long > 0.8)) continue; // too short to see, or outside
      const tip = Math.min(5, 0.45 * long) / long;
      pen.moveTo(x, y);
      pen.lineTo(x + u, y + v);
      pen.moveTo(x + u - tip * (u - 0.6 * v), y + v - tip * (v + 0.6 * u));
      pen.lineTo(x + u, y + v);
      pen.lineTo(x + u - tip * (u + 0.6 * v), y + v - tip * (v - 0.6 * u));
    }
    pen.stroke();
  }

  const across = (frame, width) => AROUND.left + (frame / (frames - 1)) * (width - AROUND.left - AROUND.right);

  function drawStrip(frame) {
    const pen = begin(strip), width = strip.clientWidth, bottom = strip.clientHeight - AROUND.bottom;
    const up = (count) => bottom - (count / clusters) * (bottom - AROUND.top);
    pen.font = `12px ${font}`;
    pen.fillStyle = pen.strokeStyle = ink;
    pen.textBaseline = "middle";
    pen.globalAlpha = 0.8;
    pen.fillText("clusters covered", AROUND.left, 8);
    pen.textAlign = "right";
    for (const count of [0, clusters]) pen.fillText(count, AROUND.left - 8, up(count));
    pen.fillText(`step ${grouped(steps[frames - 1])}`, width - AROUND.right, bottom + 14);
    pen.textAlign = "left";
    pen.fillText(grouped(steps[0]), AROUND.left, bottom + 14);
    pen.lineWidth = 1;
    for (const count of [0, clusters / 2, clusters]) {
      pen.globalAlpha = count ? 0.12 : 0.5;
      pen.beginPath();
      pen.moveTo(AROUND.left, up(count));
      pen.lineTo(width - AROUND.right, up(count));
      pen.stroke();
    }
    coverage.forEach((counts, r) => {
      const shift = coverage.length > 1 ? 2 * r - 1 : 0; // equal counts lie beside each other
      pen.strokeStyle = pen.fillStyle = colours.runs[r];
      pen.globalAlpha = 1;
      pen.lineWidth = 2;
      pen.beginPath();
      counts.forEach((count, at) => {
        const middle = (across(at, width) + across(at - 1, width)) / 2;
        if (at) pen.lineTo(middle, up(counts[at - 1]) + shift);
        pen.lineTo(at ? middle : across(at, width), up(count) + shift);
        if (at === frames - 1) pen.lineTo(across(at, width), up(count) + shift);
      });
      pen.stroke();
    });
    pen.strokeStyle = ink;
    pen.lineWidth = 1.5;
    pen.globalAlpha = 0.6;
    pen.beginPath();
    pen.moveTo(across(frame, width), AROUND.top - 6);
    pen.lineTo(across(frame, width), bottom);
    pen.stroke();
    pen.globalAlpha = 1;
    coverage.forEach((counts, r) => {
      for (const [colour, radius] of [[dark ? "#000" : "#fff", 6], [colours.runs[r], 4.5]]) {
        pen.fillStyle = colour;
        pen.beginPath();
        pen.arc(across(frame, width), up(counts[frame]) + (coverage.length > 1 ? 2 * r - 1 : 0), radius, 0, 2 * Math.PI);
        pen.fill();
      }
    });
  }

  function drawLosses(frame) {
    const pen = begin(below), width = below.clientWidth, bottom = below.clientHeight - 8;
    const all = losses.flat(2), low = Math.min(0, ...all), high = Math.max(1, ...all);
    const up = (value) => bottom - ((value - low) / (high - low)) * (bottom - AROUND.top);
    pen.font = `12px ${font}`;
    pen.fillStyle = pen.strokeStyle = ink;
    pen.textBaseline = "middle";
    pen.globalAlpha = 0.8;
    pen.textAlign = "left";
    pen.fillText("losses: D solid, G dashed", AROUND.left, 8);
    pen.textAlign = "right";
    pen.lineWidth = 1;
    const marks = ticks(low, high);
    for (const { at, label } of [marks[0], marks[marks.length - 1]]) {
      pen.globalAlpha = 0.8;
      pen.fillText(label, AROUND.left - 5, up(at));
      pen.globalAlpha = 0.12;
      pen.beginPath();
      pen.moveTo(AROUND.left, up(at));
      pen.lineTo(width - AROUND.right, up(at));
      pen.stroke();
    }
    pen.globalAlpha = 1;
    pen.lineWidth = 1.8;
    losses.forEach((pairs, r) => [[], [5, 4]].forEach((dash, i) => {
      pen.strokeStyle = colours.runs[r];
      pen.setLineDash(dash);
      pen.beginPath();
      pairs.forEach((pair, at) => pen.lineTo(across(at, width), up(pair[i])));
      pen.stroke();
    }));
    pen.setLineDash([]);
    pen.strokeStyle = ink;
    pen.globalAlpha = 0.6;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(across(frame, width), AROUND.top - 6);
    pen.lineTo(across(frame, width), bottom);
    pen.stroke();
  }

  function look() {
    const looks = getComputedStyle(root);
    [ink, font] = [looks.color, looks.fontFamily];
    dark = isDark(ink);
    colours = dark ? DARK : LIGHT;
    planes.forEach((canvas, r) => canvas.parentElement.style.setProperty("--gc-run-colour", colours.runs[r]));
    const rgb = (parts) => `rgb(${parts.join(" ")})`;
    const shown = colours.runs.slice(0, planes.length).join(" 50%, ");
    key("real").style.cssText = `width: 0.65rem; background: ${colours.real}`;
    key("samples").style.cssText = planes.length > 1
      ? `width: 1.3rem; background: linear-gradient(90deg, ${shown} 50%)`
      : `width: 0.65rem; background: ${shown}`;
    key("field").style.cssText = `width: 2.5rem; outline: 1px solid rgb(128 128 128 / 0.4); background: linear-gradient(90deg, ${rgb(colours.low)}, ${rgb(colours.high)})`;
  }

  function draw() {
    const frame = Math.min(model.get("frame"), frames - 1);
    const short = (loss) => loss.toFixed(2).replace("-", "−");
    const told = titles.map((title, r) => `${title}: ${coverage[r][frame]} of ${clusters} clusters`
      + (losses[r]?.length ? `, losses ${losses[r][frame].map(short).join(" and ")}` : ""));
    const said = `step ${grouped(steps[frame])} · ${told.join(" · ")}`;
    slider.value = frame;
    slider.setAttribute("aria-valuetext", `step ${steps[frame]}`);
    planes[0].setAttribute("aria-valuenow", frame);
    planes[0].setAttribute("aria-valuetext", said);
    output.textContent = said;
    if (!strip.clientWidth) return; // the figure is folded away
    if (!ink) look();
    planes.forEach((_, r) => drawRun(r, frame));
    drawStrip(frame);
    if (bars) drawLosses(frame);
  }

  // Setting the frame draws: whoever sets it, this figure, a second view of it, or Python.
  function show(frame) {
    model.set("frame", Math.max(0, Math.min(frames - 1, Math.round(frame))));
    model.save_changes();
  }
  let clock = 0;
  function pause() {
    clearInterval(clock);
    clock = 0;
    play.innerHTML = icon("play");
    play.setAttribute("aria-label", "Play");
    output.setAttribute("aria-live", "polite");
  }
  function start() {
    output.setAttribute("aria-live", "off"); // ten sentences a second help nobody
    if (model.get("frame") >= frames - 1) show(0);
    clock = setInterval(() => {
      show(model.get("frame") + 1);
      if (model.get("frame") >= frames - 1 || !root.isConnected) pause();
    }, 1000 / PER_SECOND);
    play.innerHTML = icon("pause");
    play.setAttribute("aria-label", "Pause");
  }
  function go(frame) {
    pause();
    show(frame);
  }
  play.addEventListener("click", () => (clock ? pause() : start()));
  back.addEventListener("click", () => go(model.get("frame") - 1));
  forward.addEventListener("click", () => go(model.get("frame") + 1));
  const rewind = rewinder(model, ["frame"]);
  reset.addEventListener("click", () => {
    pause();
    rewind();
  });
  slider.addEventListener("input", () => go(Number(slider.value)));
  for (const canvas of [...planes, strip, below]) {
    const [left, right] = planes.includes(canvas) ? [0, 0] : [AROUND.left, AROUND.right];
    const follow = (event) => {
      const box = canvas.getBoundingClientRect();
      go(((event.clientX - box.left - left) / (box.width - left - right)) * (frames - 1));
    };
    drag(canvas, follow);
  }
  planes[0].addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    const to = { Home: 0, End: frames - 1 }[event.key];
    if ((!by && to === undefined) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault(); // the page does not scroll
    event.stopPropagation();
    go(by ? model.get("frame") + by * (event.shiftKey ? 10 : 1) : to);
  });

  const redraw = () => { ink = ""; draw(); };
  const unwatch = watch([root], redraw);
  model.on("change:frame", draw);
  draw();

  return () => { // the view is closed
    pause();
    unwatch();
    model.off("change:frame", draw);
  };
}

export default { render };
