// Colours of cells.

/** Colours from bad over middling to good; blue and orange differ for colour-blind people, too. */
const SCALES = {
  light: [
    [180, 83, 9],
    [250, 190, 120],
    [244, 244, 240],
    [150, 190, 228],
    [29, 92, 165],
  ],
  dark: [
    [232, 136, 48],
    [140, 82, 36],
    [58, 62, 70],
    [52, 96, 148],
    [96, 165, 232],
  ],
};

/** Returns the colour of a value, and that of figures on it. */
function colours(goodness, theme) {
  const stops = SCALES[theme];
  const at = Math.max(0, Math.min(0.9999, goodness)) * (stops.length - 1);
  const below = Math.floor(at);
  const mixed = stops[below].map((one, part) =>
    Math.round(one + (stops[below + 1][part] - one) * (at - below)),
  );
  const [r, g, b] = mixed.map((one) => {
    const share = one / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return { back: `rgb(${mixed.join(',')})`, front: luminance > 0.179 ? '#000' : '#fff' };
}
