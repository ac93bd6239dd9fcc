// What curves need to know of numbers: which points a picture has room for, smoothing, the nearest point, ticks.
// Points are [x, y], rising in x; a y that is no finite number is a gap.

/** The place of the first point whose x is not below `x`. */
export function firstFrom(points, x) {
  let [low, high] = [0, points.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < x) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The place of the point that is nearest in x; -1 without points. */
export function nearest(points, x) {
  const at = firstFrom(points, x);
  if (at === 0) return points.length ? 0 : -1;
  if (at === points.length) return at - 1;
  return x - points[at - 1][0] <= points[at][0] - x ? at - 1 : at;
}

/**
 * The points from x = `from` to `to`, and one beyond each end so that lines go on to the edge. If they are more than two
 * a column of `columns`, the lowest and the highest of each column, in their order: no peak is lost, however narrow.
 */
export function extremes(points, from, to, columns) {
  const first = Math.max(0, firstFrom(points, from) - 1);
  let end = firstFrom(points, to);
  while (end < points.length && points[end][0] <= to) end++;
  end = Math.min(points.length, end + 1);
  if (end - first <= 2 * columns) return points.slice(first, end);

  const kept = [];
  const column = (x) => Math.floor(((x - from) / (to - from)) * columns);
  for (let at = first; at < end; ) {
    const here = column(points[at][0]);
    let low = -1;
    let high = -1;
    let next = at;
    for (; next < end && column(points[next][0]) === here; next++) {
      const y = points[next][1];
      if (!Number.isFinite(y)) continue;
      if (low < 0 || y < points[low][1]) low = next;
      if (high < 0 || y > points[high][1]) high = next;
    }
    if (low < 0) kept.push([points[at][0], NaN]);
    else if (low === high) kept.push(points[low]);
    else kept.push(points[Math.min(low, high)], points[Math.max(low, high)]);
    at = next;
  }
  return kept;
}

/** Exponential moving average that weighs about the last `span` points; the first ones are not drawn to zero. */
export function smoothed(points, span) {
  if (span <= 1) return points;
  const share = 2 / (span + 1);
  let sum = 0;
  let weight = 0;
  return points.map(([x, y]) => {
    if (!Number.isFinite(y)) return [x, y];
    sum += share * (y - sum);
    weight += share * (1 - weight);
    return [x, sum / weight];
  });
}

/** digit * 10^exponent, through its decimal form, which is exact where a product would not be. */
const decimal = (digit, exponent) => Number(`${digit}e${exponent}`);

function linearTicks(low, high, digit, exponent) {
  const step = decimal(digit, exponent);
  const ticks = [];
  const last = Math.floor(high / step + 1e-9);
  for (let k = Math.ceil(low / step - 1e-9); k <= last; k++) ticks.push(decimal(k * digit, exponent));
  return ticks;
}

function logTicks(low, high, digits, every) {
  const ticks = [];
  const last = Math.floor(Math.log10(high));
  for (let exponent = Math.floor(Math.log10(low)); exponent <= last; exponent++) {
    if (exponent % every === 0) ticks.push(...digits.map((digit) => decimal(digit, exponent)));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

/** Round numbers from `low` to `high`: two at least, about `most` at most. */
export function ticks(low, high, log, most) {
  if (log) {
    const sparse = [10, 5, 2].map((every) => logTicks(low, high, [1], every));
    const dense = [[1], [1, 3], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]].map((digits) => logTicks(low, high, digits, 1));
    const fit = [...sparse, ...dense].filter((ticks) => ticks.length >= 2 && ticks.length <= most);
    if (fit.length && fit.at(-1).length > 2) return fit.at(-1);
    // Of few that are close, round numbers at even distances say more.
  }
  let found = [];
  for (let exponent = Math.ceil(Math.log10(high - low)); ; exponent--) {
    for (const digit of [5, 2, 1]) {
      const finer = linearTicks(low, high, digit, exponent);
      if (found.length >= 2 && finer.length > most) return found;
      found = finer;
    }
  }
}
