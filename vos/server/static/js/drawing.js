// Drawing in masks: one byte per pixel, row by row, 1 inside.

/**
 * A round brush moved along a line.
 * @param {Uint8Array} mask
 * @param {number} width
 * @param {number} height
 * @param {[number, number]} from
 * @param {[number, number]} to
 * @param {number} radius  In pixels.
 * @param {0 | 1} value
 */
export function stroke(mask, width, height, from, to, radius, value) {
  const [ax, ay] = from;
  const [dx, dy] = [to[0] - ax, to[1] - ay];
  const length2 = dx * dx + dy * dy;
  const y0 = Math.max(0, Math.floor(Math.min(ay, to[1]) - radius));
  const y1 = Math.min(height - 1, Math.ceil(Math.max(ay, to[1]) + radius));
  const x0 = Math.max(0, Math.floor(Math.min(ax, to[0]) - radius));
  const x1 = Math.min(width - 1, Math.ceil(Math.max(ax, to[0]) + radius));
  for (let y = y0; y <= y1; y++) {
    for (let x = x0; x <= x1; x++) {
      const along = length2 ? ((x - ax) * dx + (y - ay) * dy) / length2 : 0;
      const t = Math.min(1, Math.max(0, along));
      const distance2 = (x - ax - t * dx) ** 2 + (y - ay - t * dy) ** 2;
      if (distance2 <= radius * radius) mask[y * width + x] = value;
    }
  }
}

/**
 * Fills a polygon by the even-odd rule: the pixels whose centres are inside.
 * @param {Uint8Array} mask
 * @param {number} width
 * @param {number} height
 * @param {[number, number][]} points  Pixel centres are whole numbers.
 * @param {0 | 1} value
 */
export function fillPolygon(mask, width, height, points, value) {
  for (let y = 0; y < height; y++) {
    const crossings = [];
    for (let k = 0; k < points.length; k++) {
      const [x0, y0] = points[k];
      const [x1, y1] = points[(k + 1) % points.length];
      if (y0 <= y !== y1 <= y) crossings.push(x0 + ((y - y0) * (x1 - x0)) / (y1 - y0));
    }
    crossings.sort((a, b) => a - b);
    for (let k = 0; k + 1 < crossings.length; k += 2) {
      const first = Math.max(0, Math.ceil(crossings[k]));
      const stop = Math.min(width, Math.ceil(crossings[k + 1]));
      if (stop > first) mask.fill(value, y * width + first, y * width + stop);
    }
  }
}

/**
 * Fills what background cannot reach from the frame's border.
 * @param {Uint8Array} mask
 * @param {number} width
 * @param {number} height
 * @returns {number} pixels filled
 */
export function fillHoles(mask, width, height) {
  const reached = new Uint8Array(mask.length);
  const stack = [];
  const visit = (at) => {
    if (!mask[at] && !reached[at]) {
      reached[at] = 1;
      stack.push(at);
    }
  };
  for (let x = 0; x < width; x++) {
    visit(x);
    visit((height - 1) * width + x);
  }
  for (let y = 0; y < height; y++) {
    visit(y * width);
    visit(y * width + width - 1);
  }
  while (stack.length) {
    const at = stack.pop();
    const x = at % width;
    if (x > 0) visit(at - 1);
    if (x < width - 1) visit(at + 1);
    if (at >= width) visit(at - width);
    if (at < mask.length - width) visit(at + width);
  }
  let filled = 0;
  for (let at = 0; at < mask.length; at++) {
    if (!mask[at] && !reached[at]) {
      mask[at] = 1;
      filled++;
    }
  }
  return filled;
}

/**
 * @param {Uint8Array} mask
 * @returns {number} pixels inside
 */
export function area(mask) {
  let sum = 0;
  for (let at = 0; at < mask.length; at++) sum += mask[at];
  return sum;
}
