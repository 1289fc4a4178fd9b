// The live figure of chapter 3: reconstructions under a heavier and heavier adversarial loss, and what they score.
//
// One plain module without imports (page.js stands in front of it). Notebooks run it beside a Python kernel, the book
// runs the same text with none. Everything that is shown was recorded: the cursor steps from one λ to the next.

// ---- the recording -------------------------------------------------------------------------------------

// |a − b| of two pictures of bytes.
export function difference(a, b) {
  return a.map((value, at) => Math.abs(value - b[at]));
}

// PSNR in decibels: the mean over pictures (of `size` bytes each) of 10 log10(1 / MSE), pixels in [0, 1].
export function psnrOf(pictures, made, size) {
  let sum = 0;
  for (let from = 0; from < pictures.length; from += size) {
    let squares = 0;
    for (let at = from; at < from + size; at++) squares += ((pictures[at] - made[at]) / 255) ** 2;
    sum += 10 * Math.log10(size / squares);
  }
  return (sum * size) / pictures.length;
}

// Which of the points (x, y) is nearest to a place.
export function nearest(points, x, y) {
  const far = points.map(([a, b]) => Math.hypot(a - x, b - y));
  return far.indexOf(Math.min(...far));
}

// 1, 2, 3, 5, 7, 10, 20, ... from low to high, for a logarithmic axis.
export function decades(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const m of [1, 2, 3, 5, 7]) found.push(Number(`${m}e${power}`));
  }
  return found.filter((at) => low <= at && at <= high);
}

// ---- the page around it --------------------------------------------------------------------------------

// 12000 as "12 000", with a space that does not break.
function grouped(whole) {
  return String(whole).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

// ---- the figure ----------------------------------------------------------------------------------------

const MARGIN = { left: 40, right: 16, top: 30, bottom: 46 }; // CSS pixels around the plot, for the axes
const GUTTER = 0.8; // left of the pictures, for the rows' names; in pictures, as are the next two
const APART = 0.25; // between two blocks of rows, on a phone
const GAP = 0.05; // between two pictures

const PAGE = `
  <div class="gc-trade-views">
    <div class="gc-trade-head">
      <span>Test digits <i>x</i>, reconstructions <i>x̂</i></span>
      <label><input type="checkbox"> <span>and the difference |<i>x</i> − <i>x̂</i>|</span></label>
    </div>
    <canvas class="gc-image" role="img"></canvas>
    <div class="gc-trade-control">
      <label><span>Weight <i>λ</i> of the adversarial loss: <b></b></span>
        <input type="range" min="0" step="1">
      </label>
      <div class="gc-trade-ticks" aria-hidden="true"></div>
    </div>
    <canvas class="gc-pad" tabindex="0" role="slider" aria-valuemin="0"></canvas>
    <div class="gc-trade-result">
      <output aria-live="polite"></output>
      <p class="gc-figure-help"></p>
      <button type="button">Reset</button>
    </div>
  </div>`;

function render({ model, el }) {
  const [weights, psnr, distance, labels] = ["weights", "psnr", "distance", "labels"].map((name) => model.get(name));
  const [height, width] = model.get("shape"), size = height * width, count = labels.length, last = weights.length - 1;
  const bytes = (data) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const pictures = bytes(view(model.get("pictures"))), frames = bytes(view(model.get("frames")));
  const names = weights.map((weight) => String(Number(weight.toPrecision(3))));

  const root = frame(el, "gc-trade", PAGE);
  const [image, pad, slider, number, tickRow, output, box, help] = [
    "canvas.gc-image", "canvas.gc-pad", "[type=range]", "b", ".gc-trade-ticks", "output", "[type=checkbox]", "p",
  ].map((what) => root.querySelector(what));
  slider.max = last;
  pad.setAttribute("aria-valuemax", last);
  pad.setAttribute("aria-label", "Classifier distance against PSNR, a dot for each λ. Click or drag to choose one, or use the arrow keys.");
  help.textContent = `The first two numbers: over ${grouped(model.get("tested"))} test digits. Every dot is one training run; choose one with the slider, or in the plot with a click or the left and right arrow keys.`;
  for (const name of names) {
    const tick = document.createElement("span");
    tick.textContent = name;
    tickRow.append(tick);
  }
  image.style.setProperty("--one", count);
  image.style.setProperty("--two", Math.ceil(count / 2));

  // Where a pair of numbers lies in the plot, whose axes are those of `figures.trade_off`.
  function scales() {
    const [left, right] = [MARGIN.left, pad.clientWidth - MARGIN.right];
    const [top, bottom] = [MARGIN.top, pad.clientHeight - MARGIN.bottom];
    const [dbLow, dbHigh] = widened(Math.min(...psnr), Math.max(...psnr), 1);
    const [logLow, logHigh] = widened(...[Math.min, Math.max].map((of) => Math.log10(of(...distance))), 0.75);
    return {
      left, right, top, bottom, dbLow, dbHigh, low: 10 ** logLow, high: 10 ** logHigh,
      toX: (db) => left + ((db - dbLow) / (dbHigh - dbLow)) * (right - left),
      toY: (far) => top + ((logHigh - Math.log10(far)) / (logHigh - logLow)) * (bottom - top),
    };
  }

  function drawPlot(setting, { ink, font, paper, shade }) {
    const pen = begin(pad), { left, right, top, bottom, dbLow, dbHigh, low, high, toX, toY } = scales();
    const points = weights.map((_, s) => [toX(psnr[s]), toY(distance[s])]), accent = shade("#4477aa");
    pen.fillStyle = pen.strokeStyle = ink;
    pen.font = `12px ${font}`;
    pen.textBaseline = "middle";
    pen.lineWidth = 1;
    for (const { at, label } of ticks(dbLow, dbHigh)) {
      pen.globalAlpha = 0.8;
      pen.textAlign = "center";
      pen.fillText(label, toX(at), bottom + 13);
      pen.globalAlpha = 0.12;
      line(pen, [[toX(at), top], [toX(at), bottom]]);
    }
    for (const at of decades(low, high)) {
      pen.globalAlpha = 0.8;
      pen.textAlign = "right";
      pen.fillText(at, left - 7, toY(at));
      pen.globalAlpha = 0.12;
      line(pen, [[left, toY(at)], [right, toY(at)]]);
    }
    pen.globalAlpha = 0.5;
    line(pen, [[left, top], [left, bottom], [right, bottom]]);
    pen.globalAlpha = 0.8;
    pen.textAlign = "left";
    pen.fillText("classifier distance (↓ more like real digits)", 4, 10);
    pen.textAlign = "right";
    pen.fillText("PSNR in dB (→ closer to the original)", right, bottom + 33);

    pen.globalAlpha = 0.6;
    pen.strokeStyle = accent;
    pen.lineWidth = 2;
    line(pen, points);
    pen.globalAlpha = 1;
    for (const [x, y] of points) disc(pen, x, y, 4.5, accent);
    const [x, y] = points[setting];
    disc(pen, x, y, 11, paper); // a halo sets the ring off from the line
    disc(pen, x, y, 5.5, accent);
    pen.strokeStyle = ink;
    pen.lineWidth = 2.5;
    pen.beginPath();
    pen.arc(x, y, 8.5, 0, 2 * Math.PI);
    pen.stroke();
    for (const s of [setting, 0, last]) { // the ends say which way λ grows
      const [a, b] = points[s];
      if (s !== setting && Math.hypot(a - x, b - y) < 60) continue;
      pen.font = `${s === setting ? "bold 13px" : "12px"} ${font}`;
      pen.textAlign = a < right - 70 ? "left" : "right";
      const place = a < right - 70 ? [a + 11, b + 14] : [a - 13, b - 9]; // beside a curve that rises to the right
      pen.fillStyle = ink;
      pen.fillText(`λ = ${names[s]}`, ...place);
    }
  }

  const tile = document.createElement("canvas"), on = tile.getContext("2d");
  [tile.width, tile.height] = [width, height];
  const pixels = on.createImageData(width, height);

  function drawPictures(rows, { ink, font }) {
    const pen = begin(image), blocks = Number(getComputedStyle(image).getPropertyValue("--blocks"));
    const columns = Math.ceil(count / blocks), step = image.clientWidth / (columns + GUTTER), gap = GAP * step;
    pen.imageSmoothingEnabled = false;
    pen.fillStyle = ink;
    pen.font = `italic ${Math.min(14, 0.2 * step)}px ${font}`;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (let block = 0; block < blocks; block++) {
      rows.forEach(([name, values], row) => {
        const y = (block * (rows.length + APART) + row) * step;
        pen.fillText(name, GUTTER * step - 6, y + step / 2, GUTTER * step - 6); // no wider than that
        for (let i = block * columns; i < Math.min(count, (block + 1) * columns); i++) {
          for (let at = 0; at < size; at++) {
            pixels.data.fill(values[i * size + at], 4 * at, 4 * at + 3);
            pixels.data[4 * at + 3] = 255; // opaque
          }
          on.putImageData(pixels, 0, 0);
          pen.drawImage(tile, (GUTTER + (i % columns)) * step + gap, y + gap, step - 2 * gap, step - 2 * gap);
        }
      });
    }
  }

  function draw() {
    const setting = Math.min(model.get("setting"), last), wanted = model.get("difference");
    const made = frames.subarray(setting * count * size, (setting + 1) * count * size);
    const [decibels, far] = [psnr[setting].toFixed(2), distance[setting].toFixed(2)];
    const said = `λ = ${names[setting]}: PSNR ${decibels} dB, classifier distance ${far}`;
    number.textContent = names[setting];
    slider.value = setting;
    slider.setAttribute("aria-valuetext", `λ = ${names[setting]}`);
    pad.setAttribute("aria-valuenow", setting);
    pad.setAttribute("aria-valuetext", said);
    [...tickRow.children].forEach((tick, s) => tick.classList.toggle("gc-trade-now", s === setting));
    output.textContent = `PSNR ${decibels} dB\nclassifier distance ${far} (no unit)\nof the ${count} above alone: PSNR ${psnrOf(pictures, made, size).toFixed(2)} dB`;
    box.checked = wanted;
    image.setAttribute("aria-label", `Test digits ${labels.join(", ")}, below each its reconstruction with λ = ${names[setting]}${wanted ? ", and the difference of the two" : ""}`);
    const rows = [["x", pictures], ["x̂", made]];
    if (wanted) rows.push(["|x−x̂|", difference(pictures, made)]);
    image.style.setProperty("--rows", rows.length);
    if (!pad.clientWidth) return; // the figure is folded away
    const page = look(root);
    drawPictures(rows, page);
    drawPlot(setting, page);
  }

  // Setting a trait draws: whoever sets it, this figure, a second view of it, or Python.
  function set(name, value) {
    model.set(name, value);
    model.save_changes();
  }
  const go = (setting) => set("setting", Math.max(0, Math.min(last, setting)));
  function follow(event) {
    const { toX, toY } = scales(), place = pad.getBoundingClientRect();
    const points = weights.map((_, s) => [toX(psnr[s]), toY(distance[s])]);
    go(nearest(points, event.clientX - place.left, event.clientY - place.top));
  }
  slider.addEventListener("input", () => go(Number(slider.value)));
  root.querySelector("button").addEventListener("click", rewinder(model, ["setting", "difference"]));
  box.addEventListener("change", () => set("difference", box.checked));
  drag(pad, follow);
  pad.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
    const to = { Home: 0, End: last }[event.key];
    if ((!by && to === undefined) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault(); // the page does not scroll
    event.stopPropagation();
    go(by ? Math.min(model.get("setting"), last) + by : to);
  });

  const unwatch = watch([root], draw), changes = ["change:setting", "change:difference"];
  changes.forEach((change) => model.on(change, draw));
  draw();

  return () => { // the view is closed
    unwatch();
    changes.forEach((change) => model.off(change, draw));
  };
}

// A range with a seventh of room on both sides, `least` wide at least.
function widened(low, high, least) {
  const more = (high - low) / 7 + Math.max(0, least - (high - low)) / 2;
  return [low - more, high + more];
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
