// -- the points of Explore ----------------------------------------------------------------------------------------------

function unframe(data) {
  const { head, column } = framed(data);
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

// -- their colours ------------------------------------------------------------------------------------------------------

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

// -- all of them as pixels -----------------------------------------------------------------------------------------------

// Pixels around a cross: a line that stands out from the ground, and one like the ground, which keeps that line apart
// from dark points on a light ground and from light ones on a dark. Thin, so that the colour is most of the cross.
const EDGES = { cross: 0, edge: 0.7, gap: 1.4 };

function paint(context, points, view, by, faded) {
  const small = radius(points.all);
  const crosses = Object.entries(EDGES).map(([name, edge]) => [name, ["cross", small * 1.15, edge]]);
  const { shapes, put: set, done } = sheet(context, view, {
    dot: ["dot", small], ring: ["ring", small * 1.1], ...Object.fromEntries(crosses),
  }); // prettier-ignore
  const put = (i, shape, colour) => set(points.x[i], points.y[i], shape, colour);
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
  done();
}
