// -- two maps of the same images, seen through one view ------------------------------------------------------------------

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".map");
  root.shown ??= new Twins(root);
  root.shown.tell = (told) => setStateValue("told", told);
  root.shown.take(data);
  // Called for overtaken runs too: only maps that are off the page are left.
  return () => setTimeout(() => root.isConnected || root.shown?.leave());
}

function unpack(data) {
  const { head, column } = framed(data);
  const { all } = head;
  const clouds = head.models.map((model) => [model, { x: column(Int16Array, all), y: column(Int16Array, all), all }]);
  const label = column(head.classes.length <= 256 ? Uint8Array : Uint16Array, all);
  return { ...head, places: Object.fromEntries(clouds), label, forget: bits(column(Uint8Array, Math.ceil(all / 8)), all) };
}

const SHORT = 4; // pixels by which an arrow ends before its image, which stays to be seen

// From where images were to where they went: lines with heads, on a thin ground of their own.
function arrows(context, view, seen, pairs, { ink, ground }) {
  const lines = new Path2D();
  const heads = new Path2D();
  for (const [from, to] of pairs) {
    const [[x0, y0], [x, y]] = [seen(from), seen(to)];
    const whole = Math.hypot(x - x0, y - y0);
    const long = whole - SHORT;
    if (long < 1) continue;
    const [dx, dy] = [(x - x0) / whole, (y - y0) / whole];
    const [x1, y1] = [x0 + dx * long, y0 + dy * long];
    const size = Math.min(7, 2 + long / 3);
    const [bx, by] = [x1 - dx * size, y1 - dy * size];
    lines.moveTo(x0, y0);
    lines.lineTo(bx, by);
    heads.moveTo(x1, y1);
    heads.lineTo(bx - dy * size * 0.45, by + dx * size * 0.45);
    heads.lineTo(bx + dy * size * 0.45, by - dx * size * 0.45);
    heads.closePath();
  }
  context.save();
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  context.globalAlpha = 0.5;
  context.strokeStyle = ground;
  context.lineWidth = 3;
  context.stroke(lines);
  context.globalAlpha = 0.6;
  context.strokeStyle = context.fillStyle = ink;
  context.lineWidth = 1;
  context.stroke(lines);
  context.fill(heads);
  context.restore();
}

class Twins extends Hands {
  constructor(root) {
    super(root);
    this.cards = [...root.querySelectorAll(".card")];
    this.lines = [];
    this.moved = false;
  }

  // -- what Python says ---------------------------------------------------------------------------------------------------

  take(data) {
    if (this.data && same(this.data, data)) return;
    this.data = data;
    this.points = unpack(data);
    this.news = null;
    this.near = -1;
    this.moved = false;
    this.join(this.points.map);
    if (this.hub.parts.shown) this.heard_shown();
  }

  heard_shown() {
    const { head, body } = this.hub.parts.shown;
    const { all, id } = this.points;
    if (head.id !== id) return; // of another map, about to follow
    const bytes = Math.ceil(all / 32) * 4; // columns begin at multiples of four
    this.lit = bits(body, all);
    this.chosen = bits(body.subarray(bytes), all);
    this.arrows = new Uint32Array(body.slice(2 * bytes).buffer);
    const other = this.news?.right !== head.right;
    this.news = head;
    this.lines = head.lines;
    if (other) this.away();
    this.words();
    if (other && !this.moved) this.fit();
    else this.redraw();
  }

  words() {
    const { title, about, label, name, keys, colours } = this.news;
    for (const [part, text] of Object.entries({ title, about })) this.find(`.${part}`).textContent = text;
    this.root.querySelectorAll(".model").forEach((place, k) => (place.textContent = ["Original", name][k]));
    this.fields.forEach((field, k) => field.setAttribute("aria-label", `${["Original", name][k]}. ${label} ${keys}`));
    this.find("[data-act=clear]").disabled = !this.lines.length;
    const counts = [[0, 0], [0, 0]]; // lit or not, to forget or not
    let chosen = 0;
    for (let i = 0; i < this.points.all; i++) {
      counts[this.lit[i]][this.points.forget[i]]++;
      chosen += this.chosen[i];
    }
    const marks = [
      ["✕", colours.forget, "to forget", counts[1][1]],
      ["●", colours.retain, "kept", counts[1][0]],
      ["✕", colours.grey, "to forget, not highlighted", counts[0][1]],
      ["●", colours.grey, "kept, not highlighted", counts[0][0]],
      ["→", colours.ink, "moved further than kept ones by retraining", this.arrows.length],
      ["◉", colours.ink, "selected", chosen],
    ];
    const shown = marks.filter(([, , , count]) => count);
    const said = ([mark, colour, text, count]) => item(mark, colour, mark === "→" ? text : `${text} (${count.toLocaleString("en")})`);
    this.find(".legend").replaceChildren(...shown.map(said));
  }

  // -- drawing ------------------------------------------------------------------------------------------------------------

  // The points of the left map and of the right one.
  clouds() {
    const { places } = this.points;
    return [places.original, places[this.news?.right ?? "unlearned"]];
  }

  draw() {
    if (!this.size || !this.news) return;
    const started = performance.now();
    const [before, after] = this.clouds();
    this.paint(this.fields[0], before);
    this.paint(this.fields[1], after);
    const pairs = Array.from(this.arrows, (i) => [before, after].map(({ x, y }) => [x[i], y[i]]));
    arrows(this.fields[1].getContext("2d"), this.view, (place) => this.seen(place), pairs, this.news.colours);
    this.root.dataset.painted = (performance.now() - started).toFixed(1);
    this.above();
  }

  // All points, what is not highlighted in grey and below; above all others what is selected, each with a line around it.
  paint(field, { x, y, all }) {
    const { forget } = this.points;
    const small = radius(all);
    const [lit, edge] = [1.15 * small, Math.max(0.8, 0.45 * small)];
    const shapes = { grey: ["dot", small], greyCross: ["cross", small], lit: ["dot", lit], litCross: ["cross", 1.15 * lit] };
    const around = Object.entries(shapes).map(([name, shape]) => [`${name}Around`, [...shape, edge]]);
    const { shapes: drawn, put, done } = sheet(field.getContext("2d"), this.view, { ...shapes, ...Object.fromEntries(around) });
    const colours = Object.fromEntries(Object.entries(this.news.colours).map(([name, hex]) => [name, word(channels(hex))]));
    for (const [chosen, lights] of [[0, 0], [0, 1], [1, 0], [1, 1]]) {
      for (const leaves of [0, 1]) {
        const name = `${lights ? "lit" : "grey"}${leaves ? "Cross" : ""}`;
        const colour = lights ? colours[leaves ? "forget" : "retain"] : colours.grey;
        for (let i = 0; i < all; i++) {
          if (forget[i] !== leaves || this.lit[i] !== lights || this.chosen[i] !== chosen) continue;
          if (chosen) put(x[i], y[i], drawn[`${name}Around`], colours.ink);
          put(x[i], y[i], drawn[name], colour);
        }
      }
    }
    done();
  }

  // Lines on the map on which they were drawn; the ring on both.
  above() {
    if (!this.size || !this.news) return;
    const sides = this.clouds();
    this.overs.forEach((over, k) => {
      const context = this.clean(over);
      const drawing = this.fields[k] === this.field;
      const [under, cross] = drawing ? [this.stroke?.line ?? this.pencil.line(this.view, this.size), this.pencil] : [];
      cross?.cross(context, this.size, this.ink);
      for (const { on, mode, line } of this.lines) {
        if (on === this.model(k)) this.outline(context, line.map((place) => this.seen(place)), mode === "subtract");
      }
      if (under?.length > 1) this.outline(context, under, this.stroke?.mode === "subtract");
      if (this.near >= 0) this.ring(context, this.placeOf(this.near, sides[k]));
    });
  }

  model(k) {
    return k ? this.news.right : "original";
  }

  placeOf(image, { x, y }) {
    return this.seen([x[image], y[image]]);
  }

  // -- looking at one image, and choosing some ------------------------------------------------------------------------------

  look(x, y) {
    if (!this.news) return;
    const k = this.fields.indexOf(this.field);
    const cloud = this.clouds()[k];
    const near = nearest(cloud, this.view, x, y, REACH);
    if (near === this.near) return;
    this.away(near);
    if (near < 0) return;
    const { classes, label } = this.points;
    this.cards[k].textContent = `row ${near.toLocaleString("en")}, class ${classes[label[near]]}`;
    this.cards[k].hidden = false;
    this.beside(this.cards[k], this.placeOf(near, cloud));
  }

  away(near = -1) {
    this.near = near;
    for (const card of this.cards) card.hidden = true;
    this.above();
  }

  stand() {
    this.moved = true;
  }

  act(act) {
    super.act(act);
    if (act === "fit") this.moved = false;
    if (act === "clear") this.escape();
  }

  escape() {
    if (this.lines.length) this.say([]);
    this.above();
  }

  // Have the images inside a line chosen; its corners are in the coordinates of the points.
  ask(corners, mode) {
    const line = { on: this.model(this.fields.indexOf(this.field)), mode, line: corners.map((corner) => corner.map(Math.round)) };
    this.say(mode === "replace" ? [line] : [...this.lines, line]);
  }

  say(lines) {
    this.lines = lines;
    this.tell({ id: this.points.id, lines, at: Date.now() }); // the same lines said again are news after Back
    this.above();
  }
}
