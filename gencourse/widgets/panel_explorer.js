// The live figure of chapter 7: two figures of the panel against each other, and where one method stands in all.
//
// One plain module without imports (page.js stands in front of it). Notebooks run it beside a Python kernel, the book
// runs the same text with none. All numbers were recorded.

// ---- numbers -------------------------------------------------------------------------------------------

// A logarithmic axis is for numbers that spread over more than a factor of 20. Zero and less stand at its lower end.
export function isLogarithmic(values) {
  const positive = values.filter((value) => value > 0);
  return positive.length > 1 && Math.max(...positive) > 20 * Math.min(...positive);
}

// 1 for the best, and the same place for equal numbers; null where there is no number.
export function places(values, less) {
  const better = (a, b) => (less ? a < b : a > b);
  return values.map((value) => (value === null ? null : 1 + values.filter((v) => v !== null && better(v, value)).length));
}

// The methods in the order of a figure; those without one come last.
export function ordered(values) {
  const key = (i) => (values[i] === null ? Infinity : values[i]);
  return values.map((_, i) => i).sort((a, b) => (key(a) === key(b) ? a - b : key(a) - key(b)));
}

// Three digits: 12345.6 as "12 346" (with spaces that do not break), 0.12345 as "0.123".
export function told(value) {
  if (value >= 1000) return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
  return String(Number(value.toPrecision(3)));
}

// An axis: from where to where, how a number becomes a share of its length, and which numbers stand beside it.
export function axis(middles, halves) {
  if (!isLogarithmic(middles)) {
    const ends = middles.flatMap((middle, i) => [middle - halves[i], middle + halves[i]]);
    const [low, high] = [Math.min(...ends), Math.max(...ends)], room = 0.07 * (high - low) || 0.1 * Math.abs(high) || 1;
    const [from, to] = [low - room, high + room];
    return { share: (value) => (value - from) / (to - from), marks: ticks(from, to) };
  }
  const least = Math.min(...middles.filter((value) => value > 0)), zero = middles.some((middle) => middle <= 0);
  const low = Math.min(...middles.map((middle, i) => middle - halves[i]).filter((end) => end > least / 2), least);
  const high = Math.max(...middles.map((middle, i) => middle + halves[i]));
  const room = 0.07 * Math.log10(high / low), from = Math.log10(low) - (zero ? 3 : 1) * room, to = Math.log10(high) + room;
  const share = (value) => (value > 0 ? Math.max(0, (Math.log10(value) - from) / (to - from)) : 0);
  const marks = [], steps = to - from > 2 ? [1] : [1, 2, 5];
  for (let power = Math.floor(from); power <= to; power++) {
    for (const m of steps) {
      const at = Number(`${m}e${power}`), where = Math.log10(at);
      if (where > from + (zero ? room : 0) && where < to) marks.push({ at, label: power > 4 || power < -3 ? `${m === 1 ? "" : `${m}·`}10${raised(power)}` : String(at) });
    }
  }
  return { share, marks: zero ? [{ at: 0, label: "0" }, ...marks] : marks };
}

const raised = (power) => [...String(power)].map((c) => (c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[c])).join("");

// ---- the figure ----------------------------------------------------------------------------------------

const TRAITS = ["data", "across", "up", "run", "method"];
const MARGIN = { left: 44, right: 14, top: 30, bottom: 46 }; // CSS pixels around the plot, for the axes
const ROW = 22; // height of a bar with its name, in CSS pixels
const GREY = "#777777";
// the two rows of pictures of a method: their names, and what a method without them cannot do, as in `needs`
const KINDS = [["redrawn", "redraw a picture"], ["drawn", "draw a new picture"]];
const LABEL = 60; // width of the names beside the pictures, in CSS pixels

const PAGE = `
  <div class="gc-panel-views">
    <div class="gc-panel-menus">
      <label>Data <select data-trait="data"></select></label>
      <label>Across <select data-trait="across"></select></label>
      <label>Up <select data-trait="up"></select></label>
      <label>Show <select data-trait="run"></select></label>
      <label>Method <select data-trait="method"></select></label>
      <button type="button">Reset</button>
    </div>
    <div class="gc-panel-plot">
      <canvas class="gc-pad" tabindex="0" role="slider" aria-valuemin="1"></canvas>
      <p class="gc-figure-help">Choose a method with a click or a tap, or with the arrow keys: left and right in the order of the figure across, up and down in that of the other. A cross is the interval of eq. (7.1); grey squares learnt nothing by gradient. <span></span></p>
    </div>
    <div class="gc-panel-result">
      <output aria-live="polite"></output>
      <canvas class="gc-image" role="img"></canvas>
      <p class="gc-figure-help">A full bar is the best place of all methods that have the figure, an empty one the last. Blue: the two figures in the plot.</p>
    </div>
    <div class="gc-panel-pictures">
      <canvas class="gc-strip" role="img"></canvas>
      <p class="gc-figure-help"></p>
    </div>
  </div>`;

function render({ model, el }) {
  const [datasets, methods, baselines, seeds, titles, less, needs, all, widths, strips, captions] = [
    "datasets", "methods", "baselines", "seeds", "titles", "less", "needs", "values", "intervals", "strips", "captions",
  ].map((name) => model.get(name));
  const root = frame(el, "gc-panel", PAGE);
  const [pad, image, strip, output, absent, reset, shown, source] = [
    "canvas.gc-pad", "canvas.gc-image", "canvas.gc-strip", "output", ".gc-panel-plot span", "button", ".gc-panel-pictures",
    ".gc-panel-pictures p",
  ].map((what) => root.querySelector(what));
  const menus = Object.fromEntries(TRAITS.map((name) => [name, root.querySelector(`[data-trait=${name}]`)]));
  const options = { data: datasets, across: titles, up: titles, method: methods, run: ["mean and interval", ...seeds.map((s) => `seed ${s}`)] };
  for (const [name, texts] of Object.entries(options)) texts.forEach((text) => menus[name].append(new Option(text)));
  menus.data.parentElement.hidden = datasets.length < 2;
  // the browser reads a picture in its own time, and the figure is drawn again when it has
  const sheets = strips.map((address) => Object.assign(new Image(), { onload: draw, src: address }));
  pad.setAttribute("aria-valuemax", methods.length);
  image.style.height = `${ROW * titles.length + 4}px`;

  // What is shown now. `of(figure)` has each method's number, or null, `half(figure)` its interval's half-width.
  function chosen() {
    const within = (name, count) => Math.min(model.get(name), count - 1);
    const [across, up] = [within("across", titles.length), within("up", titles.length)];
    const run = within("run", seeds.length), method = within("method", methods.length), data = within("data", datasets.length);
    const [values, intervals] = [all[data], widths[data]];
    const of = (figure) => methods.map((_, m) => values[m][figure] && (run < 0 ? intervals[m][figure][0] : values[m][figure][run]));
    const half = (figure) => methods.map((_, m) => (run < 0 && values[m][figure] ? intervals[m][figure][1] : 0));
    const [x, y, dx, dy] = [of(across), of(up), half(across), half(up)];
    const placed = methods.map((_, m) => m).filter((m) => x[m] !== null && y[m] !== null);
    const able = (verb) => needs.some((need, figure) => need === verb && values[method][figure]);
    return { data, across, up, run, method, of, x, y, dx, dy, placed, able };
  }

  function scales({ x, y, dx, dy, placed }) {
    const [left, right] = [MARGIN.left, pad.clientWidth - MARGIN.right];
    const [top, bottom] = [MARGIN.top, pad.clientHeight - MARGIN.bottom];
    const only = (all) => placed.map((m) => all[m]);
    const [a, b] = [axis(only(x), only(dx)), axis(only(y), only(dy))];
    return {
      left, right, top, bottom, a, b,
      toX: (value) => left + a.share(value) * (right - left),
      toY: (value) => bottom - b.share(value) * (bottom - top),
    };
  }

  function drawPlot(now, { ink, font, paper, shade }) {
    const pen = begin(pad), { x, y, dx, dy, placed, across, up, method } = now;
    pen.fillStyle = pen.strokeStyle = ink;
    pen.font = `12px ${font}`;
    pen.textBaseline = "middle";
    pen.lineWidth = 1;
    if (!placed.length) {
      pen.fillText("No method has both figures.", 12, 40);
      return;
    }
    const { left, right, top, bottom, a, b, toX, toY } = scales(now);
    for (const { at, label } of a.marks) {
      pen.globalAlpha = 0.8;
      pen.textAlign = "center";
      pen.fillText(label, toX(at), bottom + 13);
      pen.globalAlpha = 0.12;
      line(pen, [[toX(at), top], [toX(at), bottom]]);
    }
    for (const { at, label } of b.marks) {
      pen.globalAlpha = 0.8;
      pen.textAlign = "right";
      pen.fillText(label, left - 6, toY(at), left - 8);
      pen.globalAlpha = 0.12;
      line(pen, [[left, toY(at)], [right, toY(at)]]);
    }
    pen.globalAlpha = 0.5;
    line(pen, [[left, top], [left, bottom], [right, bottom]]);
    pen.globalAlpha = 0.8;
    pen.textAlign = "left";
    pen.fillText(`${titles[up]} (${less[up] ? "↓" : "↑"} better)`, 4, 10, pad.clientWidth - 8);
    pen.textAlign = "right";
    pen.fillText(`${titles[across]} (${less[across] ? "←" : "→"} better)`, right, bottom + 33, pad.clientWidth - 8);

    const tint = (m) => shade(baselines.includes(m) ? GREY : "#4477aa");
    pen.save();
    pen.beginPath();
    pen.rect(left, top, right - left, bottom - top); // an interval may be longer than the axis
    pen.clip();
    for (const m of placed) {
      pen.strokeStyle = tint(m);
      pen.globalAlpha = m === method ? 1 : 0.5;
      pen.lineWidth = m === method ? 2.5 : 1.25;
      if (dx[m]) line(pen, [[toX(x[m] - dx[m]), toY(y[m])], [toX(x[m] + dx[m]), toY(y[m])]]);
      if (dy[m]) line(pen, [[toX(x[m]), toY(y[m] - dy[m])], [toX(x[m]), toY(y[m] + dy[m])]]);
    }
    pen.restore();
    pen.globalAlpha = 1;
    const spots = placed.map((m) => [toX(x[m]), toY(y[m])]);
    placed.forEach((m, i) => spot(pen, ...spots[i], baselines.includes(m), 4.5, tint(m)));
    const at = placed.indexOf(method);
    if (at >= 0) {
      spot(pen, ...spots[at], baselines.includes(method), 10, paper); // a halo sets the ring off
      spot(pen, ...spots[at], baselines.includes(method), 5.5, tint(method));
      pen.strokeStyle = ink;
      pen.lineWidth = 2.5;
      pen.beginPath();
      pen.arc(...spots[at], 8.5, 0, 2 * Math.PI);
      pen.stroke();
    }
    // names, the chosen one first; each where it covers neither a point nor another name, or nowhere
    const taken = spots.map(([px, py]) => [px - 5, py - 5, px + 5, py + 5]);
    const first = at >= 0 ? [at, ...spots.keys()].filter((i, k) => k === 0 || i !== at) : [...spots.keys()];
    for (const i of first) {
      const now = i === at, [px, py] = spots[i], name = methods[placed[i]];
      pen.font = `${now ? "bold 13px" : "12px"} ${font}`;
      const width = pen.measureText(name).width, gap = now ? 12 : 8;
      const corners = [[gap, -8], [gap, 8], [-gap - width, -8], [-gap - width, 8], [-width / 2, -16], [-width / 2, 16], [gap, 0], [-gap - width, 0]];
      const boxes = corners.map(([ox, oy]) => [px + ox, py + oy - 7, px + ox + width, py + oy + 7]);
      const free = ([x0, y0, x1, y1]) => x0 > left && x1 < pad.clientWidth && y0 > top - 10 && y1 < bottom &&
        taken.every(([u0, v0, u1, v1], j) => j === i || x1 < u0 || u1 < x0 || y1 < v0 || v1 < y0);
      const box = boxes.find(free) || (now && (boxes.find(([x0, , x1]) => x0 > left && x1 < pad.clientWidth) || boxes[0]));
      if (!box) continue;
      taken.push(box);
      pen.textAlign = "left";
      pen.fillStyle = now ? ink : tint(placed[i]);
      pen.fillText(name, box[0], (box[1] + box[3]) / 2);
    }
  }

  // A bar for each figure: full for the best place, empty for the last.
  function drawBars({ across, up, method }, ranks, { ink, font, shade }) {
    const pen = begin(image), width = image.clientWidth, start = 0.56 * width, end = width - 62;
    pen.font = `12px ${font}`;
    pen.textBaseline = "middle";
    titles.forEach((title, figure) => {
      const y = ROW * figure + ROW / 2 + 2, { place, count } = ranks[figure], plotted = figure === across || figure === up;
      pen.globalAlpha = 1;
      pen.fillStyle = ink;
      pen.textAlign = "right";
      pen.fillText(title, start - 8, y, start - 10);
      pen.textAlign = "left";
      pen.fillText(place ? `${place} of ${count}` : "none", end + 8, y);
      pen.globalAlpha = place ? 0.15 : 0.05;
      pen.fillRect(start, y - 6, end - start, 12);
      if (!place) return;
      pen.globalAlpha = 1;
      pen.fillStyle = shade(plotted ? "#4477aa" : GREY);
      pen.fillRect(start, y - 6, Math.max(2, (count > 1 ? (count - place) / (count - 1) : 1) * (end - start)), 12);
    });
  }

  // Test pictures above, what the method made of them below, and what it drew by itself.
  function drawPictures({ data, method, able }, { ink, font }) {
    const pen = begin(strip), sheet = sheets[data];
    if (!sheet.naturalWidth) return; // not read yet
    const side = sheet.naturalHeight / (1 + 2 * methods.length), count = sheet.naturalWidth / side;
    const cell = Math.min(40, (strip.clientWidth - LABEL) / count);
    pen.font = `12px ${font}`;
    pen.textBaseline = "middle";
    pen.fillStyle = ink;
    const row = (line, name, from) => {
      pen.fillText(name, 0, (line + 0.5) * cell, LABEL - 6);
      if (from === null) pen.fillText(`It cannot ${KINDS[line - 1][1]}.`, LABEL, (line + 0.5) * cell);
      else pen.drawImage(sheet, 0, from * side, count * side, side, LABEL, line * cell + 1, count * cell, cell - 2);
    };
    row(0, "test", 0);
    KINDS.forEach(([kind, verb], k) => row(1 + k, kind, able(verb) ? 1 + 2 * method + k : null));
  }

  function draw() {
    const now = chosen(), { data, across, up, run, method, of, x, y, dx, dy, placed, able } = now, name = methods[method];
    menus.data.selectedIndex = data;
    menus.across.selectedIndex = across;
    menus.up.selectedIndex = up;
    menus.run.selectedIndex = run + 1;
    menus.method.selectedIndex = method;
    const ranks = titles.map((_, figure) => {
      const all = of(figure);
      return { place: places(all, less[figure])[method], count: all.filter((value) => value !== null).length };
    });
    const number = (value, half) => (half ? `${told(value)} ± ${half < 100 ? half.toPrecision(2) : told(half)}` : told(value));
    const figures = across === up ? [[across, x, dx]] : [[across, x, dx], [up, y, dy]];
    const said = figures.map(([figure, all, half]) => {
      const { place, count } = ranks[figure];
      return `${titles[figure]}: ${place ? `${number(all[method], half[method])}, place ${place} of ${count}` : "none"}`;
    });
    const unable = [...new Set(needs.filter((_, figure) => !ranks[figure].place))];
    const cannot = unable.length ? `It cannot ${unable.join(" or ")}.` : "It can do all that is asked for here.";
    const where = placed.includes(method) ? "" : ": cannot be placed";
    const place = [datasets.length > 1 ? datasets[data] : "", run < 0 ? "" : `seed ${seeds[run]}`].filter((text) => text);
    output.textContent = `${[name, ...place].join(", ")}${where}\n${said.join("\n")}\n${cannot}`;
    const missing = methods.filter((_, m) => !placed.includes(m));
    absent.textContent = missing.length ? `Cannot be placed, for want of a figure: ${missing.join(", ")}.` : "";
    pad.setAttribute("aria-label", `${titles[up]} against ${titles[across]}, a point for each method. Click to choose one, or use the arrow keys.`);
    pad.setAttribute("aria-valuenow", ordered(x).indexOf(method) + 1);
    pad.setAttribute("aria-valuetext", `${name}${where}. ${said.join("; ")}`);
    image.setAttribute("aria-label", `Place of ${name}. ${titles.map((title, f) => `${title}: ${ranks[f].place ? `${ranks[f].place} of ${ranks[f].count}` : "none"}`).join("; ")}.`);
    shown.hidden = !strips[data];
    source.textContent = captions[data] || "";
    strip.setAttribute("aria-label", `Eight test pictures. ${name}: ${KINDS.map(([kind, verb]) => (able(verb) ? kind : `cannot ${verb}`)).join(", ")}.`);
    if (!pad.clientWidth) return; // the figure is folded away
    const page = look(root);
    drawPlot(now, page);
    drawBars(now, ranks, page);
    if (strips[data]) drawPictures(now, page);
  }

  // Setting a trait draws: whoever sets it, this figure, a second view of it, or Python.
  function set(name, value) {
    model.set(name, value);
    model.save_changes();
  }
  for (const name of TRAITS) {
    menus[name].addEventListener("change", () => set(name, menus[name].selectedIndex - (name === "run" ? 1 : 0)));
  }
  reset.addEventListener("click", rewinder(model, TRAITS));
  drag(pad, (event) => {
    const now = chosen(), box = pad.getBoundingClientRect();
    if (!now.placed.length) return;
    const { toX, toY } = scales(now), [a, b] = [event.clientX - box.left, event.clientY - box.top];
    const far = now.placed.map((m) => Math.hypot(toX(now.x[m]) - a, toY(now.y[m]) - b));
    set("method", now.placed[far.indexOf(Math.min(...far))]);
  });
  pad.addEventListener("keydown", (event) => {
    const { x, y, method } = chosen(), count = methods.length;
    const [by, all] = { ArrowLeft: [-1, x], ArrowRight: [1, x], ArrowDown: [-1, y], ArrowUp: [1, y] }[event.key] || [0, x];
    const to = { Home: 0, End: count - 1 }[event.key];
    if ((!by && to === undefined) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault(); // the page does not scroll
    event.stopPropagation();
    const order = ordered(all); // round and round, through those that cannot be placed, too
    set("method", order[by ? (order.indexOf(method) + by + count) % count : to]);
  });

  const unwatch = watch([root], draw), changes = TRAITS.map((name) => `change:${name}`);
  changes.forEach((change) => model.on(change, draw));
  draw();

  return () => { // the view is closed
    unwatch();
    changes.forEach((change) => model.off(change, draw));
  };
}

function line(pen, points) {
  pen.beginPath();
  points.forEach(([x, y]) => pen.lineTo(x, y));
  pen.stroke();
}

// A disc, or a square for a baseline.
function spot(pen, x, y, square, radius, colour) {
  pen.fillStyle = colour;
  pen.beginPath();
  if (square && radius < 9) pen.rect(x - radius, y - radius, 2 * radius, 2 * radius);
  else pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}

export default { render };
