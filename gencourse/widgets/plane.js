// What the figures with a plane of codes have in common: their decoders, and how z is shown and moved.

// ---- decoders ------------------------------------------------------------------------------------------

// Layers of a decoder from their bytes. Each output of a layer has one row: its weights are whole numbers
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

// ---- in the page ---------------------------------------------------------------------------------------

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

// All numbers of a list of float16.
function halves(bytes) {
  const packed = view(bytes);
  return Float32Array.from({ length: packed.byteLength / 2 }, (_, i) => float16(packed, i));
}

// "a 7", but "an 8".
const named = (digit) => `${digit === 8 ? "an" : "a"} ${digit}`;

// Two independent draws from N(0, 1), made of two uniform ones (Box and Muller).
function drawNormal() {
  const radius = Math.sqrt(-2 * Math.log(1 - Math.random())), angle = 2 * Math.PI * Math.random();
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
}

// A list of the ten digits, each with its colour in front. Returns the spots to be coloured.
function fillLegend(list, colours) {
  return colours.map((_, digit) => {
    const item = document.createElement("li"), swatch = document.createElement("span");
    item.append(swatch, String(digit));
    list.append(item);
    return swatch;
  });
}

// Makes a canvas show pictures of this shape. Returns how to show one.
function screen(canvas, [height, width]) {
  [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d"), picture = pen.createImageData(width, height), { data } = picture;
  for (let i = 3; i < data.length; i += 4) data[i] = 255; // opaque
  return (x) => {
    for (let i = 0; i < x.length; i++) data[4 * i] = data[4 * i + 1] = data[4 * i + 2] = 255 * x[i];
    pen.putImageData(picture, 0, 0);
  };
}

// The handle: a halo sets the ring off from the points.
function drawRing(pen, x, y, ink, paper) {
  for (const [colour, thickness] of [[paper, 7], [ink, 2.5]]) {
    pen.strokeStyle = colour;
    pen.lineWidth = thickness;
    pen.beginPath();
    pen.arc(x, y, 8, 0, 2 * Math.PI);
    pen.stroke();
  }
}

// Pointer and keys on a pad move the trait `name`, two numbers that are kept in the plane. `at` turns a place on
// the pad, in CSS pixels, into a point of the plane. Returns how to move there from elsewhere.
function steer(pad, [aLow, aHigh, bLow, bHigh], at, model, name) {
  // Setting the trait draws: whoever sets it, this figure, a second view of it, or Python.
  function moveTo([a, b]) {
    model.set(name, [Math.min(Math.max(a, aLow), aHigh), Math.min(Math.max(b, bLow), bHigh)]);
    model.save_changes();
  }
  function follow(event) {
    const box = pad.getBoundingClientRect();
    moveTo(at(event.clientX - box.left, event.clientY - box.top));
  }
  drag(pad, follow);
  pad.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key], z = model.get(name);
    if ((!arrow && event.key !== "Home") || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault(); // the page does not scroll
    event.stopPropagation();
    const part = event.shiftKey ? 0.05 : 0.01;
    if (arrow) moveTo([z[0] + arrow[0] * part * (aHigh - aLow), z[1] + arrow[1] * part * (bHigh - bLow)]);
    else moveTo([(aLow + aHigh) / 2, (bLow + bHigh) / 2]);
  });
  return moveTo;
}

