// -- what hands changed, on its way to Python ---------------------------------------------------------------------------

// One change after the other: of two that are under way at once Streamlit keeps the later, and of one that is under way
// while the page is drawn anew it may keep none. So each has a number, and is said again until Python has heard it.
class Outbox {
  constructor() {
    this.waiting = [];
    this.last = 0;
  }

  put(change) {
    // Greater than all numbers of this visit, those of a map that was left included.
    this.last = Math.max(this.last + 1, Math.floor(performance.timeOrigin + performance.now()));
    this.waiting.push({ n: this.last, ...change });
    if (this.waiting.length === 1) this.say();
  }

  say() {
    this.send("change", this.waiting[0]);
  }

  heard(number) {
    while (this.waiting.length && this.waiting[0].n <= number) this.waiting.shift();
    if (this.waiting.length) this.say();
  }
}
