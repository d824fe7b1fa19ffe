// -- the line of a lasso with few corners -------------------------------------------------------------------------------

// Of a run of corners, those without which the line would move by more than `slack`: Douglas and Peucker's rule.
function kept(line, slack) {
  const keep = new Uint8Array(line.length);
  keep[0] = keep[line.length - 1] = 1;
  const open = [[0, line.length - 1]];
  while (open.length) {
    const [from, to] = open.pop();
    const [ax, ay] = line[from];
    const [dx, dy] = [line[to][0] - ax, line[to][1] - ay];
    const length = Math.hypot(dx, dy);
    let far = slack;
    let at = -1;
    for (let i = from + 1; i < to; i++) {
      const [px, py] = [line[i][0] - ax, line[i][1] - ay];
      const off = length ? Math.abs(px * dy - py * dx) / length : Math.hypot(px, py);
      if (off > far) [far, at] = [off, i];
    }
    if (at >= 0) {
      keep[at] = 1;
      open.push([from, at], [at, to]);
    }
  }
  return line.filter((_, i) => keep[i]);
}

// At most `most` corners; half a pixel of slack, and more only where that is not enough.
function simplified(line, most = 64) {
  for (let slack = 0.5; ; slack *= 1.5) {
    const fewer = kept(line, slack);
    if (fewer.length <= most) return fewer;
  }
}

// A line in few characters: how many units a step is, and the corners as 16 bits of steps each way.
function packed(corners) {
  const farthest = Math.max(1, ...corners.flat().map(Math.abs));
  const step = 2 ** Math.max(0, Math.ceil(Math.log2(farthest / 32767)));
  const steps = Int16Array.from(corners.flat(), (place) => Math.round(place / step));
  return `${step}:${btoa(String.fromCharCode(...new Uint8Array(steps.buffer)))}`;
}
