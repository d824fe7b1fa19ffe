// -- the map: what is on screen, and what hands do with it --------------------------------------------------------------

const DWELL = 125; // milliseconds until a card is asked for
const REST = 300; // milliseconds without a change until the rest of the page follows
const BY_SET = "entanglement"; // the one colour that Python is asked for, as the set decides it
const CARDS = 500; // cards kept, so that a second look asks for nothing

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".map");
  root.shown ??= new Shown(root);
  root.shown.outbox.send = setTriggerValue;
  root.shown.take(data);
  // Called for overtaken runs too: only a map that is off the page is left.
  return () => setTimeout(() => root.isConnected || root.shown?.leave());
}

class Shown extends Hands {
  constructor(root) {
    super(root);
    [this.over] = this.overs;
    this.card = this.find(".card");
    this.faded = false;
    this.outbox = new Outbox();
    this.cards = new Map();
    this.tiles = new Map();
    const { signal } = this.left;
    window.addEventListener("popstate", () => location.pathname === this.path && this.back(), { signal });
    // Streamlit writes into the address what Python knows, which knows nothing of what is said here.
    const lost = ({ navigationType }) => navigationType !== "traverse" && this.say();
    window.navigation?.addEventListener("currententrychange", lost, { signal });
  }

  leave() {
    super.leave();
    clearTimeout(this.dwelling);
    clearTimeout(this.resting);
    clearTimeout(this.fetching);
    clearTimeout(this.standing);
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
    this.join(this.points.map);
    if (!had) this.linked();
    this.fill();
    this.path = location.pathname;
    if (had) this.restore();
    for (const part of Object.keys(this.hub.parts)) this.hub.heard(part);
  }

  heard_news() {
    const { head, body } = this.hub.parts.news;
    const bytes = Math.ceil(this.points.train / 8);
    if (body.length < bytes) return; // of another study, about to follow
    this.points.forget = bits(body, this.points.train);
    const from = Math.ceil(bytes / 4) * 4; // columns begin at multiples of four
    this.points.moved = head.moved && body.slice(from, from + this.points.train);
    this.news = head;
    this.line = null;
    this.field.setAttribute("aria-label", `${head.label} ${this.points.keys}`);
    this.legend();
    this.redraw();
    this.outbox.heard(head.heard);
    this.follow();
    this.stand(); // where the browser does not tell when its address was written
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
      button.addEventListener("click", () => this.recolour(by));
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

  // As a hand asks: on screen at once, but for a colour that goes by the set and follows.
  recolour(by) {
    if (by === this.by) return;
    this.colourBy(by);
    this.say(true);
    if (by === BY_SET) this.hub.parts.news?.send("colour", by);
  }

  colourBy(by) {
    this.by = by;
    for (const button of this.root.querySelectorAll("[data-by]")) {
      button.setAttribute("aria-pressed", String(button.dataset.by === by));
    }
    this.legend();
    this.redraw();
  }

  legend() {
    if (!this.news) return;
    const { roles, wrong, scale } = this.points.colours;
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
    if (this.by === BY_SET && this.news.moved) {
      const said = (percent) => `${percent < 0 ? "\u2212" : "+"}${Math.abs(percent).toFixed(Math.abs(percent) < 10 ? 2 : 0)} %`;
      ramp("the image alone moves the set's entanglement by", ...this.news.moved.map((share) => said(100 * share)));
    }
    this.find(".legend").replaceChildren(...items);
  }

  // -- drawing -----------------------------------------------------------------------------------------------------------

  // The colour that the address asks for, else the usual one, and whether others are faded.
  linked() {
    const [usual, asked] = [Object.keys(this.points.by)[0], addressed("colour").at(-1)];
    this.colourBy(Object.hasOwn(this.points.by, asked) ? asked : usual);
    this.fade(addressed("fade").at(-1) === "others");
  }

  // As a link, or Back, has it.
  restore() {
    this.fit();
    if (!this.size) return;
    this.view = viewAt(addressed("at").at(-1), this.points.place, this.view, this.size);
    this.redraw();
    this.stand();
  }

  back() {
    this.linked();
    this.restore();
  }

  // Have the address say where the map stands, once it does.
  stand() {
    clearTimeout(this.standing);
    this.standing = setTimeout(() => (this.hands.size ? this.stand() : this.say()), STILL);
  }

  // The browser's own to say: nobody waits for it, and nothing is sent.
  say(step = false) {
    if (!this.hub || !this.size || !this.points.place || location.pathname !== this.path) return;
    const usual = this.by === Object.keys(this.points.by)[0];
    const at = placeOf(this.points.place, this.view, this.size);
    readdress({ colour: usual ? "" : this.by, fade: this.faded ? "others" : "", at }, step);
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

  above() {
    const context = this.clean(this.over);
    const line = this.stroke?.line ?? this.pencil.line(this.view, this.size) ?? this.line;
    this.pencil.cross(context, this.size, this.ink);
    if (line?.length > 1) this.outline(context, line, (this.stroke ?? this.sent)?.mode === "subtract");
    for (const image of new Set([this.near, this.ringed ?? -1])) if (image >= 0) this.ring(context, this.placeOf(image));
  }

  placeOf(image) {
    return this.seen([this.points.x[image], this.points.y[image]]);
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
    const place = this.placeOf(image);
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
    this.beside(this.card, this.placeOf(image));
  }

  away() {
    clearTimeout(this.dwelling);
    this.near = -1;
    this.card.hidden = true;
    this.above();
  }

  // -- hands ---------------------------------------------------------------------------------------------------------------

  act(act) {
    super.act(act);
    if (act === "fade") this.fade(!this.faded);
  }

  fade(faded) {
    this.faded = faded;
    this.find("[data-act=fade]").setAttribute("aria-pressed", faded);
    this.redraw();
    this.stand();
  }

  change(said) {
    this.outbox.put({ ...said, by_set: this.by === BY_SET });
  }

  // Control with a letter; whether that is of the map.
  step(letter, event) {
    if (letter !== "z" && letter !== "y") return false;
    this.change({ step: letter === "y" || event.shiftKey ? "redo" : "undo" });
    return true;
  }

  // A line that is being drawn is given up; without one, all that was chosen is.
  escape(all) {
    this.line = null;
    this.fade(false);
    if (all) this.change({ step: "clear" });
  }

  // Held keys go before what is chosen.
  mode(event) {
    return event.shiftKey || event.altKey ? super.mode(event) : this.find("[data-part=mode]").value;
  }

  begin() {
    this.line = null;
  }

  // A click draws no line: it asks about the image under it.
  pick(x, y) {
    const near = nearest(this.points, this.view, x, y, REACH);
    if (near >= 0) this.hub.parts.pick?.send("pick", near);
  }

  // Have the images inside a line chosen; its corners are in the coordinates of the points.
  ask(corners, mode) {
    this.sent = { mode, line: packed(corners) };
    this.fade(true);
    this.change(this.sent);
  }
}
