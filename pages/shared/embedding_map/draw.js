// -- reading what Python framed ---------------------------------------------------------------------------------------

function unframe(data) {
  const length = new DataView(data.buffer, data.byteOffset, 4).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  // A copy, because typed arrays of two bytes must begin at an even place.
  const body = data.slice(4 + length).buffer;
  let at = 0;
  const column = (Kind, count) => {
    const found = new Kind(body, at, count);
    at += Math.ceil((count * Kind.BYTES_PER_ELEMENT) / 4) * 4;
    return found;
  };
  const Label = head.classes.length <= 256 ? Uint8Array : Uint16Array;
  const points = {
    ...head,
    x: column(Int16Array, head.all),
    y: column(Int16Array, head.all),
    label: column(Label, head.all),
    right: column(Uint8Array, head.all),
    memorization: column(Uint8Array, head.train),
    loss: column(Uint8Array, head.all),
    margin: column(Uint8Array, head.all),
    forget: new Uint8Array(head.train),
  };
  return { ...points, order: rising(points.memorization) };
}

// The numbers of the images with the least value first, equal ones by number.
function rising(values) {
  const next = new Uint32Array(257);
  for (const value of values) next[value + 1]++;
  for (let k = 1; k < 257; k++) next[k] += next[k - 1];
  const order = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i++) order[next[values[i]]++] = i;
  return order;
}

// -- colours: 32-bit words as a canvas stores them ---------------------------------------------------------------------

const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const word = ([r, g, b], alpha = 255) => ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
const FADED = word([138, 143, 152], 51); // a fifth
const UNKNOWN = word([138, 143, 152]);

function ramp(stops) {
  const known = stops.map(channels);
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const place = (i / 255) * (known.length - 1);
    const from = Math.min(Math.floor(place), known.length - 2);
    return word(known[from].map((c, k) => Math.round(c + (known[from + 1][k] - c) * (place - from))));
  });
}

// What a point's colour is, by its number; `role` is drawn without asking.
function colouring(points, by) {
  const { colours } = points;
  if (by === "class") {
    const shades = colours.classes.map((hex) => word(channels(hex)));
    return (i) => shades[points.label[i] % shades.length];
  }
  if (by === "correct") {
    const right = word(channels(colours.roles.retain));
    const wrong = word(channels(colours.wrong));
    return (i) => (points.right[i] ? right : wrong);
  }
  const shades = ramp(colours.scale);
  const values = by === "entanglement" ? (points.moved ?? []) : points[by];
  return (i) => (i < values.length ? shades[values[i]] : UNKNOWN); // of some nothing is known of test images
}

// -- shapes: offsets from the middle, each whole or half, so that edges look smooth ------------------------------------

// Pixels around a cross: a line that stands out from the ground, and one like the ground, which keeps that line apart
// from dark points on a light ground and from light ones on a dark. Thin, so that the colour is most of the cross.
const EDGES = { cross: 0, edge: 0.7, gap: 1.4 };

// The radius of a dot: less the more points there are.
const radius = (points) => Math.min(2.4, Math.max(1.1, 2.4 * (1800 / points) ** 0.25));

function stamp(shape, radius, edge = 0) {
  const reach = Math.ceil(radius * (shape === "cross" ? 1.5 : 1) + 1 + edge);
  const offsets = [];
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      const r = Math.hypot(dx, dy);
      let cover;
      if (shape === "ring") cover = 1 - Math.abs(r - radius);
      else if (shape === "cross") cover = r > radius * 1.5 + edge ? 0 : radius / 4 + 0.8 + edge - Math.abs(Math.abs(dx) - Math.abs(dy)) / 1.4;
      else cover = radius + 0.5 - r;
      if (cover > 0.25) offsets.push([dx, dy, cover >= (shape === "ring" ? 0.5 : 0.7)]); // a ring has no inside to be seen by
    }
  }
  return { reach, offsets };
}

// -- all points as pixels ----------------------------------------------------------------------------------------------

function paint(context, points, view, by, faded) {
  const { width, height } = context.canvas;
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const ratio = view.ratio;
  const small = radius(points.all);
  const grown = Math.min(2, Math.max(1, Math.sqrt(view.scale / view.fitted)));
  const shapes = Object.fromEntries(
    [["dot", small], ["ring", small * 1.1], ["cross", small * 1.15], ["edge", small * 1.15], ["gap", small * 1.15]].map(([name, radius]) => {
      const { reach, offsets } = stamp(name in EDGES ? "cross" : name, radius * grown * ratio, (EDGES[name] ?? 0) * ratio);
      return [name, { reach, steps: Int32Array.from(offsets, ([dx, dy]) => dy * width + dx), whole: Uint8Array.from(offsets, (o) => o[2]) }];
    }),
  );
  const put = (i, { reach, steps, whole }, colour) => {
    const px = Math.round((points.x[i] * view.scale + view.left) * ratio);
    const py = Math.round((view.top - points.y[i] * view.scale) * ratio);
    if (px < reach || py < reach || px >= width - reach || py >= height - reach) return;
    const at = py * width + px;
    const pale = ((colour & 0xffffff) | ((colour >>> 25) << 24)) >>> 0; // half as opaque
    for (let k = 0; k < steps.length; k++) {
      if (whole[k]) pixels[at + steps[k]] = colour;
      else if (!pixels[at + steps[k]]) pixels[at + steps[k]] = pale;
    }
  };
  const { roles } = points.colours;
  const shade = by === "role" ? null : colouring(points, by);
  const stays = word(channels(roles.retain), 200);
  const heldOut = word(channels(roles["held-out"]), 200);
  const leaves = word(channels(roles.forget));
  // What lies above hides what lies below: first what is held out, last what is in the set, the most memorized on top.
  for (let i = points.train; i < points.all; i++) put(i, shapes.ring, faded ? FADED : shade ? shade(i) : heldOut);
  for (const i of points.order) if (!points.forget[i]) put(i, shapes.dot, faded ? FADED : shade ? shade(i) : stays);
  const [ink, ground] = [points.colours.ink, points.colours.ground].map((hex) => word(channels(hex)));
  // Lines around all crosses first, so that where crosses are many they surround them and hide no colour.
  const layers = shade ? [["gap", () => ground], ["edge", () => ink], ["cross", shade]] : [["cross", () => leaves]];
  for (const [shape, colour] of layers) {
    for (const i of points.order) if (points.forget[i]) put(i, shapes[shape], colour(i));
  }
  context.putImageData(image, 0, 0);
}

// -- which point is near ------------------------------------------------------------------------------------------------

function nearest(points, view, x, y, reach) {
  const gx = (x - view.left) / view.scale;
  const gy = (view.top - y) / view.scale;
  let best = -1;
  let least = (reach / view.scale) ** 2;
  for (let i = 0; i < points.all; i++) {
    const dx = points.x[i] - gx;
    const dy = points.y[i] - gy;
    const d = dx * dx + dy * dy;
    if (d <= least) [best, least] = [i, d];
  }
  return best;
}
