// -- the map: what is on screen, and what hands do with it --------------------------------------------------------------

const REACH = 14; // pixels within which the pointer finds a point
const DWELL = 125; // milliseconds until a card is asked for
const REST = 300; // milliseconds without a change until the rest of the page follows
const CARDS = 500; // cards kept, so that a second look asks for nothing

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".map");
  root.shown ??= new Shown(root);
  root.shown.outbox.send = setTriggerValue;
  root.shown.take(data);
  // Called for overtaken runs too: only a map that is off the page is left.
  return () => setTimeout(() => root.isConnected || root.shown?.leave());
}

function same(a, b) {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

class Shown {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.field = this.find(".field");
    this.over = this.find(".over");
    // In plain memory, where points are painted anyway: on a busy machine without a graphics card Chromium otherwise went
    // on showing a line, and points, that were gone.
    for (const canvas of [this.field, this.over]) canvas.getContext("2d", { willReadFrequently: true });
    this.card = this.find(".card");
    this.by = "memorization";
    this.tool = "lasso";
    this.faded = false;
    this.view = { scale: 1, left: 0, top: 0, fitted: 1, ratio: 1 };
    this.hands = new Map();
    this.outbox = new Outbox();
    this.pencil = new Pencil();
    this.cards = new Map();
    this.tiles = new Map();
    this.near = -1;
    this.left = new AbortController();
    this.listen();
    this.sized = new ResizeObserver(() => this.resize());
    this.sized.observe(this.field);
  }

  leave() {
    this.sized.disconnect();
    clearTimeout(this.dwelling);
    clearTimeout(this.resting);
    clearTimeout(this.fetching);
    clearTimeout(this.standing);
    this.left.abort();
    if (this.hub?.heard === this.heard) this.hub.heard = () => {};
    if (this.root.shown === this) delete this.root.shown;
  }

  // -- what Python says ---------------------------------------------------------------------------------------------

  take(data) {
    if (this.data && same(this.data, data)) return;
    this.data = data;
    const had = this.points;
    this.points = unframe(data);
    this.cards.clear();
    this.tiles.clear();
    this.near = -1;
    const hubs = (globalThis.embeddingMaps ??= new Map());
    if (!hubs.has(this.points.map)) hubs.set(this.points.map, { parts: {}, heard: () => {} });
    this.hub = hubs.get(this.points.map);
    this.hub.heard = this.heard = (part) => this[`heard_${part}`]();
    this.fill();
    this.path = location.pathname;
    if (had) this.restore();
    for (const part of Object.keys(this.hub.parts)) this.hub.heard(part);
  }

  heard_news() {
    const { head, body } = this.hub.parts.news;
    const bytes = Math.ceil(this.points.train / 8);
    if (body.length < bytes) return; // of another study, about to follow
    for (let i = 0; i < this.points.train; i++) this.points.forget[i] = (body[i >> 3] >> (i & 7)) & 1;
    const from = Math.ceil(bytes / 4) * 4; // columns begin at multiples of four
    this.points.moved = head.moved && body.slice(from, from + this.points.train);
    this.news = head;
    if (this.named !== head.colour) this.colourBy((this.named = head.colour), false); // by a link, or by Back
    this.line = null;
    this.field.setAttribute("aria-label", `${head.label} ${this.points.keys}`);
    this.legend();
    this.redraw();
    this.outbox.heard(head.heard);
    this.follow();
    this.stand(); // a page that was drawn meanwhile may have lost what was told
  }

  // The image that is asked about has a ring. One that was found by its number, and not by a hand, comes into view.
  heard_pick() {
    const { ringed, finds } = this.hub.parts.pick.head;
    const found = this.finds !== undefined && finds > this.finds;
    this.finds = finds;
    this.ringed = ringed < this.points.all ? ringed : null;
    if (!this.size) return;
    if (found && this.ringed !== null) this.reveal(this.ringed);
    this.above();
  }

  heard_place() {} // it only listens

  heard_rest() {
    this.follow();
  }

  heard_look() {
    const { head, body } = this.hub.parts.look;
    if (head.image === undefined || head.id !== this.points.id) return;
    const picture = URL.createObjectURL(new Blob([body.slice(0, head.bytes)], { type: head.type }));
    if (this.cards.size >= CARDS) {
      const [[oldest, { picture: gone }]] = this.cards;
      URL.revokeObjectURL(gone);
      this.cards.delete(oldest);
    }
    this.cards.set(head.image, { ...head, picture });
    if (head.image === this.near) this.show(head.image);
  }

  async heard_thumbs() {
    const { head, body } = this.hub.parts.thumbs;
    if (!head.images || head.id !== this.points.id) return;
    const bitmap = await createImageBitmap(new Blob([body.slice(0, head.bytes)], { type: "image/webp" }));
    if (this.tiles.size + head.images.length > TILES) this.tiles.clear();
    const { width, height, across, smooth } = head;
    head.images.forEach((image, k) => {
      this.tiles.set(image, { bitmap, width, height, smooth, x: (k % across) * width, y: Math.floor(k / across) * height });
    });
    this.redraw();
  }

  // The rest of the page is drawn anew when hands rest, once for each state of the set.
  follow() {
    clearTimeout(this.resting);
    const rest = this.hub.parts.rest;
    if (!rest || !this.news || this.outbox.waiting.length || rest.head.version === this.news.version || this.asked === this.news.version) return;
    this.resting = setTimeout(() => {
      if (this.stroke) return this.follow();
      this.asked = this.news.version;
      rest.send("again", this.asked);
    }, REST);
  }

  // -- what is around the points --------------------------------------------------------------------------------------

  fill() {
    const group = this.find("[data-part=colours]");
    group.replaceChildren(group.firstElementChild);
    for (const [by, title] of Object.entries(this.points.by)) {
      const button = document.createElement("button");
      button.textContent = title;
      button.dataset.by = by;
      button.setAttribute("aria-pressed", String(by === this.by));
      button.addEventListener("click", () => this.colourBy(by, true));
      group.append(button);
    }
    const { label, x, y, train, classes } = this.points;
    const places = classes.map(() => [[], []]);
    for (let i = 0; i < train; i++) {
      places[label[i]][0].push(x[i]);
      places[label[i]][1].push(y[i]);
    }
    const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
    this.middles = places.map(([xs, ys]) => (xs.length ? [middle(xs), middle(ys)] : null));
  }

  colourBy(by, tell) {
    if (!(by in this.points.by)) return;
    this.by = by;
    for (const button of this.root.querySelectorAll("[data-by]")) {
      button.setAttribute("aria-pressed", String(button.dataset.by === by));
    }
    this.legend();
    this.redraw();
    // For the address only: the colours are on screen already, but for one that goes by the set and follows.
    if (tell) this.hub.parts[by === "entanglement" ? "news" : "look"]?.send("colour", by);
  }

  legend() {
    if (!this.news) return;
    const { roles, wrong, scale } = this.points.colours;
    const item = (mark, colour, text, kind = "") => {
      const span = document.createElement("span");
      const shape = document.createElement("span");
      shape.setAttribute("aria-hidden", "true");
      shape.textContent = mark;
      shape.className = kind;
      if (kind) shape.style.background = colour;
      else if (colour) shape.style.color = colour;
      span.append(shape, text);
      return span;
    };
    const only = this.by === "role";
    const items = [
      item("✕", only && roles.forget, `to forget (${this.news.forget.toLocaleString("en")})`),
      item("●", only && roles.retain, `stays (${(this.points.train - this.news.forget).toLocaleString("en")})`),
      item("○", only && roles["held-out"], `test images (${(this.points.all - this.points.train).toLocaleString("en")})`),
    ];
    if (this.by === "correct") {
      items.push(item("", roles.retain, "original is right", "swatch"), item("", wrong, "original is wrong", "swatch"));
    }
    const ramp = (text, low, high) => {
      const shown = item("", `linear-gradient(to right, ${scale.join(",")})`, high, "ramp");
      shown.prepend(`${text} ${low}`);
      items.push(shown);
    };
    const number = (value) => value.toFixed(2).replace("-", "\u2212");
    if (this.by in this.points.ramps) {
      const [text, low, high] = this.points.ramps[this.by];
      ramp(text, `\u2264 ${number(low)}`, `\u2265 ${number(high)}`); // beyond its ends the scale goes on in one colour
    }
    if (this.by === "entanglement" && this.news.moved) {
      const said = (percent) => `${percent < 0 ? "\u2212" : "+"}${Math.abs(percent).toFixed(Math.abs(percent) < 10 ? 2 : 0)} %`;
      ramp("the image alone moves the set's entanglement by", ...this.news.moved.map((share) => said(100 * share)));
    }
    this.find(".legend").replaceChildren(...items);
  }

  // -- drawing -----------------------------------------------------------------------------------------------------------

  resize() {
    const { clientWidth: width, clientHeight: height } = this.field;
    if (!width || !height || !this.points) return;
    const before = this.size;
    this.size = [width, height];
    this.view.ratio = Math.min(window.devicePixelRatio || 1, 3);
    for (const canvas of [this.field, this.over]) {
      canvas.width = Math.round(width * this.view.ratio);
      canvas.height = Math.round(height * this.view.ratio);
    }
    if (!before) return this.restore();
    this.view.left += (width - before[0]) / 2;
    this.view.top += (height - before[1]) / 2;
    this.draw();
  }

  fit() {
    if (!this.size) return this.resize();
    const [width, height] = this.size;
    const { x, y } = this.points;
    let [x0, x1, y0, y1] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < x.length; i++) {
      if (x[i] < x0) x0 = x[i];
      if (x[i] > x1) x1 = x[i];
      if (y[i] < y0) y0 = y[i];
      if (y[i] > y1) y1 = y[i];
    }
    const scale = Math.min((width - 36) / Math.max(1, x1 - x0), (height - 36) / Math.max(1, y1 - y0));
    this.view = {
      ...this.view, scale, fitted: scale,
      left: width / 2 - (scale * (x0 + x1)) / 2, top: height / 2 + (scale * (y0 + y1)) / 2,
    };
    this.redraw();
  }

  zoom(factor, x, y) {
    const { fitted, scale } = this.view;
    const bounded = Math.min(Math.max(scale * factor, fitted * FURTHEST), fitted * NEAREST) / scale;
    this.view.left = x - (x - this.view.left) * bounded;
    this.view.top = y - (y - this.view.top) * bounded;
    this.view.scale *= bounded;
    this.redraw();
    this.stand();
  }

  pan(dx, dy) {
    this.view.left += dx;
    this.view.top += dy;
    this.redraw();
    this.stand();
  }

  // As a link, or Back, has it.
  restore() {
    this.fit();
    if (!this.size) return;
    this.view = viewAt(addressed(), this.points.place, this.view, this.size);
    this.redraw();
    this.stand();
  }

  // Have the address say where the map stands, once it does: a few bytes, answered by nothing that is drawn.
  stand() {
    clearTimeout(this.standing);
    this.standing = setTimeout(() => {
      const tell = this.hub?.parts.place?.send;
      if (!tell || !this.size || !this.points.place || location.pathname !== this.path) return;
      if (this.hands.size) return this.stand();
      const now = placeOf(this.points.place, this.view, this.size);
      if (now === addressed()) return;
      readdress(now);
      tell("place", now);
    }, STILL);
  }

  redraw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = undefined;
      this.draw();
    });
  }

  draw() {
    if (!this.size || !this.news) return;
    const started = performance.now();
    paint(this.field.getContext("2d"), this.points, this.view, this.by, this.faded);
    this.root.dataset.painted = (performance.now() - started).toFixed(1);
    this.pictures();
    this.names();
    this.above();
  }

  // Images in the place of points where few are on screen; those not here yet are asked for at once when hands rest.
  pictures() {
    clearTimeout(this.fetching);
    const shown = roomFor(this.points, this.view, ...this.size);
    const drawn = shown ? picture(this.field.getContext("2d"), this.points, this.view, this.tiles, shown, this.by, this.faded) : 0;
    this.root.dataset.pictures = drawn;
    if (!shown || drawn === shown.images.length) return;
    const { id } = this.points;
    this.fetching = setTimeout(() => {
      if (id === this.points.id) this.hub.parts.thumbs?.send("want", shown.images.filter((i) => !this.tiles.has(i)));
    }, REST);
  }

  names() {
    const place = this.find(".names");
    if (this.by !== "class" || this.points.classes.length > this.points.named) return place.replaceChildren();
    place.replaceChildren(
      ...this.middles.flatMap((middle, c) => {
        if (!middle) return [];
        const name = document.createElement("span");
        name.className = "name";
        name.textContent = this.points.classes[c];
        name.style.left = `${middle[0] * this.view.scale + this.view.left}px`;
        name.style.top = `${this.view.top - middle[1] * this.view.scale}px`;
        return [name];
      }),
    );
  }

  // The line and the ring, on a canvas of their own: points need not be drawn again under a moving hand.
  above() {
    const context = this.over.getContext("2d");
    const { ratio, scale, left, top } = this.view;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, ...this.size);
    const style = getComputedStyle(this.root);
    const ink = style.getPropertyValue("--st-text-color") || "#808080";
    const line = this.stroke?.line ?? this.pencil.line(this.view, this.size) ?? this.line;
    this.pencil.cross(context, this.size, ink);
    if (line?.length > 1) {
      context.beginPath();
      line.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
      context.closePath();
      context.fillStyle = "rgb(138 143 152 / 18%)";
      context.fill("evenodd");
      context.lineWidth = 1.5;
      context.strokeStyle = ink;
      context.setLineDash((this.stroke ?? this.sent)?.mode === "subtract" ? [5, 4] : []);
      context.stroke();
      context.setLineDash([]);
    }
    for (const image of new Set([this.near, this.ringed ?? -1])) {
      if (image < 0) continue;
      context.beginPath();
      context.arc(this.points.x[image] * scale + left, top - this.points.y[image] * scale, 8, 0, 7);
      context.lineWidth = 2;
      context.strokeStyle = ink;
      context.stroke();
    }
  }

  // -- looking at one image -----------------------------------------------------------------------------------------------

  look(x, y) {
    const near = this.points ? nearest(this.points, this.view, x, y, REACH) : -1;
    if (near !== this.near) this.point(near);
  }

  point(near) {
    this.near = near;
    clearTimeout(this.dwelling);
    this.card.hidden = true;
    this.above();
    if (near < 0) return;
    this.dwelling = setTimeout(() => {
      if (this.cards.has(near)) this.show(near);
      else this.hub.parts.look?.send("look", near);
    }, DWELL);
  }

  reveal(image) {
    const { scale, left, top } = this.view;
    const place = [this.points.x[image] * scale + left, top - this.points.y[image] * scale];
    if (place.some((at, i) => at < 0 || at > this.size[i])) this.pan(...place.map((at, i) => this.size[i] / 2 - at));
    this.point(image);
  }

  show(image) {
    const { lines, picture, smooth } = this.cards.get(image);
    const drawn = document.createElement("img");
    drawn.src = picture;
    drawn.alt = "";
    drawn.className = smooth ? "smooth" : "";
    const words = document.createElement("div");
    for (const line of lines) {
      const row = document.createElement("div");
      row.textContent = line;
      words.append(row);
    }
    this.card.replaceChildren(drawn, words);
    this.card.hidden = false;
    const x = this.points.x[image] * this.view.scale + this.view.left;
    const y = this.view.top - this.points.y[image] * this.view.scale;
    const { offsetWidth: width, offsetHeight: height } = this.card;
    this.card.style.left = `${x + 14 + width < this.size[0] ? x + 14 : Math.max(0, x - 14 - width)}px`;
    this.card.style.top = `${Math.min(Math.max(4, y - height / 2), this.size[1] - height - 4)}px`;
  }

  away() {
    clearTimeout(this.dwelling);
    this.near = -1;
    this.card.hidden = true;
    this.above();
  }

  // -- hands ---------------------------------------------------------------------------------------------------------------

  listen() {
    const { field } = this;
    const { signal } = this.left; // a map that was left must not go on listening beside the next one
    window.addEventListener("popstate", () => location.pathname === this.path && this.restore(), { signal });
    const at = (event) => {
      const box = field.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    field.addEventListener("pointerdown", (event) => this.down(event, ...at(event)), { signal });
    // A browser that was busy tells many moves as one: a line drawn meanwhile has all its corners only in their list,
    // which there is on an encrypted or local address alone.
    field.addEventListener("pointermove", (event) => {
      const moves = (this.stroke && event.getCoalescedEvents?.()) || [];
      for (const move of moves.length ? moves : [event]) this.move(move, ...at(move));
    }, { signal }); // prettier-ignore
    field.addEventListener("pointerup", (event) => this.up(event), { signal });
    field.addEventListener("pointercancel", (event) => this.up(event, true), { signal });
    // A finger that is lifted leaves too, but what it asked about stays in view.
    field.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.away(), { signal });
    field.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.away();
      this.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...at(event));
    }, { passive: false, signal }); // prettier-ignore
    this.root.addEventListener("keydown", (event) => this.key(event), { signal });
    field.addEventListener("keyup", (event) => event.key === " " && (this.space = false), { signal });
    field.addEventListener("blur", () => {
      this.space = this.pencil.shown = false;
      this.away();
    }, { signal }); // prettier-ignore
    this.root.addEventListener("click", (event) => {
      const act = event.target.closest?.("[data-act]")?.dataset.act;
      if (act) this.act(act);
    }, { signal }); // prettier-ignore
  }

  act(act) {
    const [x, y] = this.size.map((side) => side / 2);
    if (act === "in" || act === "out") this.zoom(act === "in" ? 1.4 : 1 / 1.4, x, y);
    if (act === "fit") {
      this.fit();
      this.stand();
    }
    if (act === "fade") this.fade(!this.faded);
    if (act === "lasso" || act === "hand") {
      this.tool = act;
      for (const tool of ["lasso", "hand"]) this.find(`[data-act=${tool}]`).setAttribute("aria-pressed", tool === act);
      this.field.classList.toggle("hand", act === "hand");
    }
  }

  fade(faded) {
    this.faded = faded;
    this.find("[data-act=fade]").setAttribute("aria-pressed", faded);
    this.redraw();
  }

  key(event) {
    const step = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    const letter = event.key.toLowerCase();
    const onMap = event.target === this.field; // elsewhere space and arrows belong to the buttons
    if (event.ctrlKey || event.metaKey) {
      if (letter === "z" || letter === "y") this.outbox.put({ step: letter === "y" || event.shiftKey ? "redo" : "undo" });
      else return;
    } else if (letter === "escape") {
      this.stroke = this.line = null;
      this.pencil.corners = [];
      this.fade(false);
    } else if (!onMap) return;
    else if (step) this.steer(step.map((way) => way * (event.shiftKey ? 8 : 40)));
    else if (letter === "enter") this.mark(event);
    else if (letter === "+" || letter === "=") this.act("in");
    else if (letter === "-") this.act("out");
    else if (letter === "0") this.act("fit");
    else if (letter === " ") this.space = true;
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Move the map under the cross, and look at what lies there.
  steer(step) {
    this.pencil.shown = true;
    this.pan(...step);
    this.away();
    this.look(...this.size.map((side) => side / 2));
  }

  mark(event) {
    this.pencil.shown = true;
    const middle = this.size.map((side) => side / 2);
    const corners = this.pencil.set(this.view, this.size);
    if (corners?.length > 2) this.ask(corners, this.mode(event));
    else if (corners) this.pick(...middle);
    this.look(...middle);
    this.above();
  }

  mode(event) {
    return event.shiftKey ? "add" : event.altKey ? "subtract" : this.find("[data-part=mode]").value;
  }

  // A click draws no line: it asks about the image under it.
  pick(x, y) {
    const near = nearest(this.points, this.view, x, y, REACH);
    if (near >= 0) this.hub.parts.pick?.send("pick", near);
  }

  // Have the images inside a line chosen; its corners are in the coordinates of the points.
  ask(corners, mode) {
    this.sent = { mode, line: corners.map((corner) => corner.map(Math.round)) };
    this.fade(true);
    this.outbox.put(this.sent);
  }

  down(event, x, y) {
    this.pencil.shown = false;
    this.pencil.corners = [];
    this.field.focus({ preventScroll: true });
    this.field.setPointerCapture(event.pointerId);
    this.hands.set(event.pointerId, [x, y]);
    this.away();
    event.preventDefault();
    if (this.hands.size > 1) this.stroke = null; // a second finger moves the map
    else if (event.button === 0 && this.tool === "lasso" && !this.space) {
      this.line = null;
      this.stroke = { line: [[x, y]], mode: this.mode(event) };
    }
  }

  move(event, x, y) {
    const before = this.hands.get(event.pointerId);
    if (!before) return this.look(x, y);
    this.hands.set(event.pointerId, [x, y]);
    if (this.stroke) {
      const [lx, ly] = this.stroke.line.at(-1);
      if (Math.hypot(x - lx, y - ly) >= 1.5) this.stroke.line.push([x, y]);
      return this.above();
    }
    const other = [...this.hands].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const apart = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
      this.zoom(apart([x, y]) / Math.max(1, apart(before)), (x + other[0]) / 2, (y + other[1]) / 2);
      this.pan((x - before[0]) / 2, (y - before[1]) / 2);
    } else if (event.buttons & 4 || this.space || this.tool === "hand") this.pan(x - before[0], y - before[1]);
  }

  up(event, broken = false) {
    this.hands.delete(event.pointerId);
    const { stroke } = this;
    this.stroke = null;
    if (!stroke) return;
    const corners = simplified(stroke.line);
    if (broken || corners.length < 3) {
      if (!broken) this.pick(...stroke.line[0]);
      if (!broken && event.pointerType === "touch") this.look(...stroke.line[0]);
      return this.above();
    }
    const { scale, left, top } = this.view;
    this.line = stroke.line;
    this.ask(corners.map(([x, y]) => [(x - left) / scale, (top - y) / scale]), stroke.mode);
  }
}
