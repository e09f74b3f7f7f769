// Colours of objects by id, as `vos` draws them elsewhere.

/** Okabe and Ito's colours (Color Universal Design, 2008), repeated: colour-blind people can tell them apart. */
const BRIGHT = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442"];

/**
 * The colours of DAVIS: bits of the id, spread over the channels.
 * @param {number} id
 */
function davis(id) {
  const channels = [0, 0, 0];
  for (let level = 0, rest = id; level < 8; level++, rest >>= 3) {
    for (let channel = 0; channel < 3; channel++) {
      channels[channel] |= ((rest >> channel) & 1) << (7 - level);
    }
  }
  return `#${channels.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}

/** Name of a palette -> colour of an object id. */
export const PALETTES = {
  bright: (id) => BRIGHT[(id - 1) % BRIGHT.length],
  davis,
};

/**
 * @param {{id: number, color?: string | null}} object
 * @param {string} palette
 * @returns {string} #rrggbb
 */
export function colorOf(object, palette) {
  return object.color ?? PALETTES[palette](object.id);
}

/**
 * @param {string} color  #rrggbb
 * @returns {[number, number, number]}
 */
export function channels(color) {
  const value = parseInt(color.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/**
 * Black or white, whichever reads better on a colour (WCAG 2.2, relative luminance).
 * @param {string} color  #rrggbb
 */
export function inkOn(color) {
  const [r, g, b] = channels(color).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return luminance > 0.179 ? "#000000" : "#ffffff";
}
