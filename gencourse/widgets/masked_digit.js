// The live figure of chapter 5: hide patches of a digit and see what a masked autoencoder puts in their places.
//
// One plain module without imports (page.js stands in front of it). Notebooks run it beside a Python kernel, the book
// runs the same text with none, so everything happens in the browser: the network is computed in `predict`, by a worker,
// because on a phone it takes longer than a frame.

// ---- the network ---------------------------------------------------------------------------------------

// The network's weights from float16 bytes, in the order in which Python packs them.
export function unpack(bytes, sizes) {
  const data = view(bytes);
  let next = 0;
  const take = (count) => Float64Array.from({ length: count }, () => float16(data, next++));
  const linear = (nIn, nOut) => ({ W: take(nIn * nOut), b: take(nOut) });
  const norm = (width) => ({ scale: take(width), shift: take(width) });
  const block = (width) => ({
    norm1: norm(width), qkv: linear(width, 3 * width), proj: linear(width, width),
    norm2: norm(width), up: linear(width, 4 * width), down: linear(4 * width, width),
  });
  const many = (depth, width) => Array.from({ length: depth }, () => block(width));
  const { side, patch, width, depth, decoderWidth, decoderDepth } = sizes;
  const encoder = { embed: linear(patch * patch, width), blocks: many(depth, width), norm: norm(width) };
  const decoder = {
    embed: linear(width, decoderWidth), mask: take(decoderWidth), blocks: many(decoderDepth, decoderWidth),
    norm: norm(decoderWidth), head: linear(decoderWidth, patch * patch),
  };
  encoder.positions = positions(side / patch, width);
  decoder.positions = positions(side / patch, decoderWidth);
  return { encoder, decoder, sizes };
}

// Sines and cosines of row and column, for each patch of a square grid.
export function positions(grid, width) {
  const quarter = width / 4, found = new Float64Array(grid * grid * width);
  for (let place = 0; place < grid * grid; place++) {
    [Math.floor(place / grid), place % grid].forEach((t, half) => {
      for (let k = 0; k < quarter; k++) {
        const angle = t * 10000 ** (-k / quarter), at = place * width + 2 * half * quarter + k;
        found[at] = Math.sin(angle);
        found[at + quarter] = Math.cos(angle);
      }
    });
  }
  return found;
}

// Each row of x (rows of nIn numbers) times W, plus b. With `onto`, the result is added to that.
function linear(x, { W, b }, nIn, onto) {
  const nOut = b.length, rows = x.length / nIn, out = onto || new Float64Array(rows * nOut);
  for (let o = 0, w = 0; o < nOut; o++, w += nIn) {
    let r = 0;
    for (; r + 3 < rows; r += 4) { // four rows at a time: each weight is fetched once for them
      const p = r * nIn, q = p + nIn, s = q + nIn, t = s + nIn, to = r * nOut + o;
      let first = b[o], second = b[o], third = b[o], fourth = b[o];
      for (let i = 0; i < nIn; i++) {
        const weight = W[w + i];
        first += weight * x[p + i];
        second += weight * x[q + i];
        third += weight * x[s + i];
        fourth += weight * x[t + i];
      }
      out[to] += first;
      out[to + nOut] += second;
      out[to + 2 * nOut] += third;
      out[to + 3 * nOut] += fourth;
    }
    for (; r < rows; r++) {
      let sum = b[o];
      for (let i = 0; i < nIn; i++) sum += W[w + i] * x[r * nIn + i];
      out[r * nOut + o] += sum;
    }
  }
  return out;
}

// Each row at mean 0 and variance 1, then scaled and shifted.
function normalised(x, { scale, shift }) {
  const width = scale.length, out = new Float64Array(x.length);
  for (let from = 0; from < x.length; from += width) {
    let mean = 0, variance = 0;
    for (let i = 0; i < width; i++) mean += x[from + i] / width;
    for (let i = 0; i < width; i++) variance += (x[from + i] - mean) ** 2 / width;
    const spread = Math.sqrt(variance + 1e-6);
    for (let i = 0; i < width; i++) out[from + i] = ((x[from + i] - mean) / spread) * scale[i] + shift[i];
  }
  return out;
}

// x·Φ(x), Φ the normal distribution function, by formula 7.1.26 of Abramowitz and Stegun (error below 2e-7).
function gelu(x) {
  const z = Math.abs(x) / Math.SQRT2, t = 1 / (1 + 0.3275911 * z);
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const half = 0.5 * tail * Math.exp(-z * z); // Φ(−|x|)
  return x * (x < 0 ? half : 1 - half);
}

// softmax(QKᵀ/√d)V for each head. A row of qkv holds all heads of Q, then of K, then of V.
function attention(qkv, width, heads) {
  const n = qkv.length / (3 * width), d = width / heads, out = new Float64Array(n * width);
  const weights = new Float64Array(n);
  for (let head = 0; head < heads; head++) {
    for (let q = 0; q < n; q++) {
      const fromQ = q * 3 * width + head * d;
      let most = -Infinity, total = 0;
      for (let k = 0; k < n; k++) {
        const fromK = k * 3 * width + width + head * d;
        let sum = 0;
        for (let i = 0; i < d; i++) sum += qkv[fromQ + i] * qkv[fromK + i];
        weights[k] = sum / Math.sqrt(d);
        most = Math.max(most, weights[k]);
      }
      for (let k = 0; k < n; k++) total += weights[k] = Math.exp(weights[k] - most);
      for (let k = 0; k < n; k++) {
        const share = weights[k] / total, fromV = k * 3 * width + 2 * width + head * d;
        for (let i = 0; i < d; i++) out[q * width + head * d + i] += share * qkv[fromV + i];
      }
    }
  }
  return out;
}

function transform(x, blocks, width, heads) {
  for (const block of blocks) {
    const mixed = attention(linear(normalised(x, block.norm1), block.qkv, width), width, heads);
    linear(mixed, block.proj, width, x);
    const inner = linear(normalised(x, block.norm2), block.up, width);
    for (let i = 0; i < inner.length; i++) inner[i] = gelu(inner[i]);
    linear(inner, block.down, 4 * width, x);
  }
}

// Where pixel (i, j) of a patch lies in the picture.
function pixel(sizes, place, i, j) {
  const { side, patch } = sizes, grid = side / patch;
  return (Math.floor(place / grid) * patch + i) * side + (place % grid) * patch + j;
}

// What the network makes of a picture (side·side numbers) whose patches are hidden where `hidden` is 1: a picture with
// the visible pixels as they were and predictions in [0, 1] elsewhere. Hidden pixels are never read.
export function predict({ encoder, decoder, sizes }, picture, hidden) {
  const { patch, width, heads, decoderWidth, decoderHeads } = sizes, size = patch * patch;
  const places = [...hidden.keys()].filter((place) => !hidden[place]);
  const filled = Float64Array.from(picture);
  if (places.length === hidden.length || !places.length) return filled;

  const visible = new Float64Array(places.length * size);
  places.forEach((place, row) => {
    for (let k = 0; k < size; k++) {
      visible[row * size + k] = picture[pixel(sizes, place, Math.floor(k / patch), k % patch)];
    }
  });
  let tokens = linear(visible, encoder.embed, size);
  places.forEach((place, row) => {
    for (let i = 0; i < width; i++) tokens[row * width + i] += encoder.positions[place * width + i];
  });
  transform(tokens, encoder.blocks, width, heads);
  tokens = linear(normalised(tokens, encoder.norm), decoder.embed, width);

  const grid = Float64Array.from(decoder.positions); // every place of the picture
  let row = 0;
  hidden.forEach((isHidden, place) => {
    const from = isHidden ? decoder.mask : tokens.subarray(row * decoderWidth, ++row * decoderWidth);
    for (let i = 0; i < decoderWidth; i++) grid[place * decoderWidth + i] += from[i];
  });
  transform(grid, decoder.blocks, decoderWidth, decoderHeads);
  const patches = linear(normalised(grid, decoder.norm), decoder.head, decoderWidth);
  hidden.forEach((isHidden, place) => {
    if (!isHidden) return;
    for (let k = 0; k < size; k++) {
      const value = patches[place * size + k];
      filled[pixel(sizes, place, Math.floor(k / patch), k % patch)] = Math.min(1, Math.max(0, value));
    }
  });
  return filled;
}

// Mean squared error over the hidden pixels.
export function hiddenError(sizes, picture, filled, hidden) {
  let sum = 0, count = 0;
  hidden.forEach((isHidden, place) => {
    if (!isHidden) return;
    for (let k = 0; k < sizes.patch ** 2; k++, count++) {
      const at = pixel(sizes, place, Math.floor(k / sizes.patch), k % sizes.patch);
      sum += (picture[at] - filled[at]) ** 2;
    }
  });
  return count ? sum / count : 0;
}

// In a worker: the network comes first, then pictures with their masks.
function serve() {
  let network;
  onmessage = ({ data }) => {
    if (data.weights) network = unpack(data.weights, data.sizes);
    else postMessage({ filled: predict(network, data.picture, data.hidden) });
  };
}
if (typeof WorkerGlobalScope !== "undefined") serve();

// ---- the figure ----------------------------------------------------------------------------------------

const ARROWS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

const PAGE = `
  <div class="gc-masked-views">
    <figure>
      <figcaption>What the network sees</figcaption>
      <canvas class="gc-pad" tabindex="0" role="application"
        aria-label="A digit in patches. Click or drag to hide patches or to show them again; or move the ring with the arrow keys and press Space."
      ></canvas>
    </figure>
    <figure>
      <figcaption>What it fills in</figcaption>
      <canvas class="gc-image" role="img" aria-label="The digit with predictions in the hidden patches"></canvas>
    </figure>
    <figure>
      <figcaption>The digit</figcaption>
      <canvas class="gc-masked-truth" role="img" aria-label="The whole digit"></canvas>
    </figure>
  </div>
  <output aria-live="polite"></output>
  <div class="gc-masked-controls">
    <button type="button" data-do="random">Hide ¾ at random</button>
    <button type="button" data-do="show">Show all</button>
    <button type="button" data-do="next">Next digit</button>
    <button type="button" data-do="reset">Reset</button>
  </div>
  <p class="gc-figure-help">Click or drag over patches to hide them, or to show hidden ones again. With the keyboard: the arrow keys move the ring, Space hides or shows its patch.</p>`;

function render({ model, el }) {
  const sizes = model.get("sizes");
  const { side, patch } = sizes, grid = side / patch, count = grid * grid, pixels = side * side;
  const bytes = view(model.get("pictures")), labels = model.get("labels");

  const root = frame(el, "gc-masked", PAGE);
  const [pad, image, truth, output] = ["canvas.gc-pad", "canvas.gc-image", "canvas.gc-masked-truth", "output"].map(
    (what) => root.querySelector(what),
  );
  let ring = Math.floor(count / 2); // the patch that the keyboard is at
  let painting = null; // while a pointer is down: 1 hides, 0 shows

  const hiddenNow = () => {
    const hidden = new Uint8Array(count);
    for (const place of model.get("hidden")) if (place >= 0 && place < count) hidden[place] = 1;
    return hidden;
  };
  const pictureNow = () => {
    const from = (model.get("picture") % labels.length) * pixels;
    return Float32Array.from({ length: pixels }, (_, i) => bytes.getUint8(from + i) / 255);
  };

  // The patch of each pixel.
  const places = Uint16Array.from({ length: pixels }, (_, at) => (
    Math.floor(at / side / patch) * grid + Math.floor((at % side) / patch)
  ));

  // A grey picture, with the colour of a hole where a patch is missing.
  const small = document.createElement("canvas"), dots = small.getContext("2d");
  small.width = small.height = side;
  function show(canvas, picture, missing, { hole, line }, lines) {
    const pen = begin(canvas), image = dots.createImageData(side, side), wide = canvas.clientWidth;
    for (let at = 0; at < pixels; at++) {
      const grey = 255 * picture[at], colour = missing[places[at]] ? hole : null;
      for (let part = 0; part < 3; part++) image.data[4 * at + part] = colour ? colour[part] : grey; // rounds
      image.data[4 * at + 3] = 255;
    }
    dots.putImageData(image, 0, 0);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, 0, wide, wide);
    if (!lines) return pen;
    pen.strokeStyle = line;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let i = 1; i < grid; i++) {
      pen.moveTo((i * wide) / grid, 0);
      pen.lineTo((i * wide) / grid, wide);
      pen.moveTo(0, (i * wide) / grid);
      pen.lineTo(wide, (i * wide) / grid);
    }
    pen.stroke();
    return pen;
  }

  function mark(pen, canvas) {
    const wide = (patch * canvas.clientWidth) / side;
    for (const [colour, thickness] of [["#000", 4], ["#ff5a78", 2]]) {
      pen.strokeStyle = colour;
      pen.lineWidth = thickness;
      pen.strokeRect((ring % grid) * wide + 1, Math.floor(ring / grid) * wide + 1, wide - 2, wide - 2);
    }
  }

  // What the worker was asked last and what it has answered: `key` says for which picture and which holes.
  let worker, network, answer = { key: "" }, asked = "";
  function ask(key, picture, hidden) {
    if (asked || key === answer.key) return; // one question at a time: `take` asks the next
    asked = key;
    if (network) return take(predict(network, picture, hidden));
    if (!worker) {
      worker = startWorker(model);
      worker.onmessage = ({ data }) => take(data.filled);
      worker.onerror = () => { // a page that may not start one
        network = unpack(model.get("weights"), sizes);
        asked = "";
        draw();
      };
      worker.postMessage({ weights: model.get("weights"), sizes });
    }
    worker.postMessage({ picture, hidden });
  }
  function take(filled) {
    answer = { key: asked, filled, hidden: Uint8Array.from(asked.split(" ")[1], Number), picture: asked.split(" ")[0] };
    asked = "";
    draw();
  }

  let seen = ""; // what the third picture shows
  function draw() {
    const hidden = hiddenNow(), picture = pictureNow(), some = hidden.reduce((sum, one) => sum + one, 0);
    const number = model.get("picture") % labels.length, label = labels[number], key = `${number} ${hidden.join("")}`;
    const at = `row ${Math.floor(ring / grid) + 1}, column ${(ring % grid) + 1}: ${hidden[ring] ? "hidden" : "shown"}`;
    const share = `${at} · ${some} of ${count} patches hidden`;
    // Until the answer is there, patches that were hidden before keep what was filled in, and new ones are holes.
    const filled = Float32Array.from(picture), missing = new Uint8Array(count);
    const old = answer.picture === String(number) ? answer.hidden : new Uint8Array(count);
    for (let place = 0; place < count; place++) missing[place] = hidden[place] && !old[place];
    for (let i = 0; i < pixels; i++) {
      const place = places[i];
      if (hidden[place] && old[place]) filled[i] = answer.filled[i];
    }
    if (some === count) {
      missing.fill(1);
      output.textContent = `${share}: the network has nothing to go by, show at least one.`;
    } else if (!some) output.textContent = `${share}: the network has nothing to fill in.`;
    else if (key === answer.key) {
      const shown = picture.filter((_, i) => !hidden[places[i]]);
      const guess = new Float32Array(pixels).fill(shown.reduce((sum, one) => sum + one, 0) / shown.length);
      const [error, flat] = [filled, guess].map((made) => hiddenError(sizes, picture, made, hidden).toFixed(4));
      output.textContent = `${share}\nmean squared error there: ${error}\nthe mean of the visible pixels everywhere: ${flat}`;
    }
    if (some && some < count) ask(key, picture, hidden);
    if (!pad.clientWidth) return; // the figure is folded away
    const { dark } = look(root);
    const colours = { hole: dark ? [138, 109, 0] : [232, 199, 106], line: "rgb(128 128 128 / 0.45)" };
    mark(show(pad, picture, hidden, colours, true), pad);
    mark(show(image, filled, missing, colours, some === count), image);
    const now = [number, truth.clientWidth, window.devicePixelRatio].join();
    if (now === seen) return; // the whole digit stays as it is
    seen = now;
    truth.setAttribute("aria-label", `The whole digit: ${label === 8 ? "an" : "a"} ${label}`);
    show(truth, picture, new Uint8Array(count), colours);
  }

  // Setting a trait draws: whoever sets it, this figure, a second view of it, or Python.
  function hide(hidden) {
    model.set("hidden", [...hidden.keys()].filter((place) => hidden[place]));
    model.save_changes();
  }
  function paint(place, value) {
    const hidden = hiddenNow();
    ring = place;
    if (hidden[place] === value) draw(); // only the ring has moved
    else {
      hidden[place] = value;
      hide(hidden);
    }
  }
  function placeAt(event) {
    const box = pad.getBoundingClientRect();
    const along = (at, low, size) => Math.max(0, Math.min(grid - 1, Math.floor(((at - low) / size) * grid)));
    return along(event.clientY, box.top, box.height) * grid + along(event.clientX, box.left, box.width);
  }
  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return; // the first button, a finger or a pen
    pad.setPointerCapture(event.pointerId); // a drag goes on outside the pad
    if (event.pointerType !== "touch") touch(event); // a finger may be about to scroll the page: see `drag`
  });
  function touch(event) {
    const place = placeAt(event);
    if (painting === null) paint(place, painting = 1 - hiddenNow()[place]);
    else if (place !== ring) paint(place, painting);
  }
  pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && touch(event));
  pad.addEventListener("pointerup", (event) => {
    if (event.pointerType === "touch") touch(event);
    painting = null;
  });
  pad.addEventListener("pointercancel", () => { painting = null; });
  pad.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key], press = event.key === " " || event.key === "Enter";
    if ((!arrow && !press) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault(); // the page does not scroll
    event.stopPropagation();
    if (press) return paint(ring, 1 - hiddenNow()[ring]);
    const to = [Math.floor(ring / grid) + arrow[0], (ring % grid) + arrow[1]];
    const [row, column] = to.map((at) => (at + grid) % grid); // round the edge: every press moves the ring
    ring = row * grid + column;
    draw();
  });
  const rewind = rewinder(model, ["hidden", "picture"]);
  const actions = {
    random() {
      const order = Array.from({ length: count }, (_, place) => [Math.random(), place]).sort((a, b) => a[0] - b[0]);
      const hidden = new Uint8Array(count);
      order.slice(Math.round(count / 4)).forEach(([, place]) => { hidden[place] = 1; });
      hide(hidden);
    },
    show: () => hide(new Uint8Array(count)),
    reset() {
      ring = Math.floor(count / 2);
      rewind();
      draw(); // also where only the ring has moved
    },
    next() {
      model.set("picture", (model.get("picture") + 1) % labels.length);
      model.save_changes();
    },
  };
  for (const button of root.querySelectorAll("button")) button.addEventListener("click", actions[button.dataset.do]);

  const unwatch = watch([root], draw), changes = ["change:hidden", "change:picture"];
  changes.forEach((change) => model.on(change, draw));
  draw();

  return () => { // the view is closed
    unwatch();
    if (worker) worker.terminate();
    changes.forEach((change) => model.off(change, draw));
  };
}

export default { render };
