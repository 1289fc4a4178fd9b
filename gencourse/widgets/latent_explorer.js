// The live figure of chapter 1: move a code z through the plane and watch what the decoder makes of it.
//
// One plain module without imports (page.js stands in front of it). Notebooks run it beside a Python kernel, the book
// runs the same text with none, so everything happens in the browser: the decoder is computed in `forward`.

// ---- the decoder ---------------------------------------------------------------------------------------

// Layers of the decoder from their bytes. Each output of a layer has one row: its weights are whole numbers
// from -127 to 127 (in `weights`), which its scale turns back into weights; `rows` has each row's scale and bias.
export function unpack(weights, rows, sizes) {
  const whole = view(weights), perRow = view(rows);
  let next = 0, row = 0;
  return sizes.slice(1).map((nOut, k) => {
    const nIn = sizes[k];
    const layer = { W: new Float32Array(nOut * nIn), b: new Float32Array(nOut), out: new Float32Array(nOut) };
    for (let o = 0; o < nOut; o++, row++) {
      const scale = float16(perRow, 2 * row);
      layer.b[o] = float16(perRow, 2 * row + 1);
      for (let i = 0; i < nIn; i++) layer.W[o * nIn + i] = scale * whole.getInt8(next++);
    }
    return layer;
  });
}

// Dec(z): ReLU between the layers, a sigmoid after the last. Returns the pixels, in [0, 1]. They lie in a
// buffer that the next call overwrites, so that moving the handle allocates nothing.
export function forward(layers, z) {
  let h = z;
  for (const layer of layers) {
    const { W, b, out } = layer, nIn = h.length, last = layer === layers[layers.length - 1];
    for (let o = 0, w = 0; o < out.length; o++) {
      let sum = b[o];
      for (let i = 0; i < nIn; i++) sum += W[w++] * h[i];
      out[o] = last ? 1 / (1 + Math.exp(-sum)) : Math.max(sum, 0);
    }
    h = out;
  }
  return h;
}

// Which of the codes (a, b, a, b, ...) is nearest to z.
export function nearest(codes, z) {
  let best = 0, least = Infinity;
  for (let i = 0; 2 * i < codes.length; i++) {
    const distance = (codes[2 * i] - z[0]) ** 2 + (codes[2 * i + 1] - z[1]) ** 2;
    if (distance < least) [best, least] = [i, distance];
  }
  return best;
}

// ---- the figure ----------------------------------------------------------------------------------------

const MARGIN = { left: 40, right: 10, top: 10, bottom: 36 }; // CSS pixels around the plane, for the axes
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

const PAGE = `
  <div class="gc-latent-plane">
    <canvas class="gc-pad" tabindex="0" role="application"
      aria-label="Plane of codes. Drag, or use the arrow keys, to move z; with Shift in larger steps; Home for the centre."
    ></canvas>
    <ul class="gc-latent-legend" aria-label="Colour of each digit"></ul>
  </div>
  <div class="gc-latent-side">
    <canvas class="gc-image" width="28" height="28" role="img" aria-label="The picture that the decoder makes of z"></canvas>
    <output class="gc-z" aria-live="polite"></output>
    <button type="button">Random point, N(0, I)</button>
    <p class="gc-figure-help">Drag the ring. Or use the arrow keys, with Shift for larger steps; Home is the centre.</p>
  </div>`;

function render({ model, el }) {
  const layers = unpack(model.get("weights"), model.get("rows"), model.get("sizes"));
  const [aLow, aHigh, bLow, bHigh] = model.get("plane");
  const [height, width] = model.get("shape");
  const packed = view(model.get("codes")), digits = view(model.get("labels"));
  const codes = Float32Array.from({ length: packed.byteLength / 2 }, (_, i) => float16(packed, i));

  const root = frame(el, "gc-latent", PAGE);
  const [pad, image, output, button, legend] = ["canvas.gc-pad", "canvas.gc-image", "output", "button", "ul"].map(
    (what) => root.querySelector(what),
  );
  const swatches = model.get("colours").map((_, digit) => {
    const item = document.createElement("li"), swatch = document.createElement("span");
    item.append(swatch, String(digit));
    legend.append(item);
    return swatch;
  });

  const pen = pad.getContext("2d");
  const cloud = document.createElement("canvas"); // what stays while the handle moves, drawn once
  let size = 0, ratio = 0, ink = "", paper = ""; // the pad's side, device pixels per CSS pixel, colours
  const toX = (a) => MARGIN.left + ((a - aLow) / (aHigh - aLow)) * (size - MARGIN.left - MARGIN.right);
  const toY = (b) => size - MARGIN.bottom - ((b - bLow) / (bHigh - bLow)) * (size - MARGIN.top - MARGIN.bottom);

  function drawCloud() {
    size = pad.clientWidth;
    ratio = window.devicePixelRatio || 1;
    pad.width = pad.height = cloud.width = cloud.height = Math.round(size * ratio);
    const page = look(root), font = page.font, colours = model.get("colours").map(page.shade);
    ({ ink, paper } = page);
    swatches.forEach((swatch, digit) => { swatch.style.background = colours[digit]; });
    const on = cloud.getContext("2d");
    const [left, right, top, bottom] = [MARGIN.left, size - MARGIN.right, MARGIN.top, size - MARGIN.bottom];
    on.scale(ratio, ratio);
    on.fillStyle = on.strokeStyle = ink;

    on.font = `12px ${font}`;
    on.globalAlpha = 0.8;
    on.textAlign = "center";
    for (const { at, label } of ticks(aLow, aHigh)) on.fillText(label, toX(at), bottom + 16);
    on.textAlign = "right";
    on.textBaseline = "middle";
    for (const { at, label } of ticks(bLow, bHigh)) on.fillText(label, left - 7, toY(at));
    on.font = `italic 14px ${font}`;
    on.fillText("z₁", right, bottom + 28);
    on.fillText("z₂", left + 24, top + 8);

    on.globalAlpha = 0.12; // a grid that is felt rather than seen, and thin axes
    on.beginPath();
    for (const { at } of ticks(aLow, aHigh)) { on.moveTo(toX(at), top); on.lineTo(toX(at), bottom); }
    for (const { at } of ticks(bLow, bHigh)) { on.moveTo(left, toY(at)); on.lineTo(right, toY(at)); }
    on.stroke();
    on.globalAlpha = 0.5;
    on.beginPath();
    on.moveTo(left, top);
    on.lineTo(left, bottom);
    on.lineTo(right, bottom);
    on.stroke();

    on.save();
    on.beginPath();
    on.rect(left, top, right - left, bottom - top);
    on.clip(); // the plane leaves out the few codes that lie far away
    on.globalAlpha = 0.7;
    for (let i = 0; i < digits.byteLength; i++) {
      on.fillStyle = colours[digits.getUint8(i)];
      on.beginPath();
      on.arc(toX(codes[2 * i]), toY(codes[2 * i + 1]), 1.8, 0, 2 * Math.PI);
      on.fill();
    }
    on.restore();
  }

  const blank = image.getContext("2d");
  image.width = width;
  image.height = height;
  const pixels = blank.createImageData(width, height);
  for (let i = 3; i < pixels.data.length; i += 4) pixels.data[i] = 255; // opaque

  function draw() {
    const z = model.get("z");
    // clientWidth is 0 while the figure is folded away
    if (pad.clientWidth && (size !== pad.clientWidth || ratio !== window.devicePixelRatio)) drawCloud();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, pad.width, pad.height);
    if (size) {
      pen.drawImage(cloud, 0, 0);
      pen.scale(ratio, ratio);
      for (const [colour, thickness] of [[paper, 7], [ink, 2.5]]) { // a halo sets the ring off from the points
        pen.strokeStyle = colour;
        pen.lineWidth = thickness;
        pen.beginPath();
        pen.arc(toX(z[0]), toY(z[1]), 8, 0, 2 * Math.PI);
        pen.stroke();
      }
    }
    const x = forward(layers, z);
    for (let i = 0; i < x.length; i++) pixels.data.fill(255 * x[i], 4 * i, 4 * i + 3);
    blank.putImageData(pixels, 0, 0);
    const digit = digits.getUint8(nearest(codes, z));
    output.textContent = `z = (${z[0].toFixed(2)}, ${z[1].toFixed(2)})\nnearest test code: ${digit === 8 ? "an" : "a"} ${digit}`;
  }

  // Setting z draws: whoever sets it, this figure, a second view of it, or Python.
  function moveTo(a, b) {
    model.set("z", [Math.min(Math.max(a, aLow), aHigh), Math.min(Math.max(b, bLow), bHigh)]);
    model.save_changes();
  }
  function follow(event) {
    const box = pad.getBoundingClientRect();
    const across = (event.clientX - box.left - MARGIN.left) / (size - MARGIN.left - MARGIN.right);
    const up = (box.top + size - MARGIN.bottom - event.clientY) / (size - MARGIN.top - MARGIN.bottom);
    moveTo(aLow + across * (aHigh - aLow), bLow + up * (bHigh - bLow));
  }
  pad.addEventListener("pointerdown", (event) => {
    if (event.button) return; // the first button, a finger or a pen
    pad.setPointerCapture(event.pointerId); // a drag goes on outside the pad
    follow(event);
  });
  pad.addEventListener("pointermove", (event) => pad.hasPointerCapture(event.pointerId) && follow(event));
  pad.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key], z = model.get("z");
    if ((!arrow && event.key !== "Home") || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault(); // the page does not scroll
    event.stopPropagation();
    const part = event.shiftKey ? 0.05 : 0.01;
    if (arrow) moveTo(z[0] + arrow[0] * part * (aHigh - aLow), z[1] + arrow[1] * part * (bHigh - bLow));
    else moveTo((aLow + aHigh) / 2, (bLow + bHigh) / 2);
  });
  button.addEventListener("click", () => {
    // Two independent normal numbers from two uniform ones (Box and Muller).
    const radius = Math.sqrt(-2 * Math.log(1 - Math.random())), angle = 2 * Math.PI * Math.random();
    moveTo(radius * Math.cos(angle), radius * Math.sin(angle));
  });

  const unwatch = watch([pad], () => { size = 0; draw(); });
  model.on("change:z", draw);
  draw();

  return () => { // the view is closed
    unwatch();
    model.off("change:z", draw);
  };
}

export default { render };
