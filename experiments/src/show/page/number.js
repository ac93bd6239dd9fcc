// How numbers are written: the one place that decides about digits.

/**
 * A number with so many significant digits, or with all of them. Answers hold null for what is no finite number, and
 * for a cosine with a row of zeros; both are written as a dash.
 */
export function format(x, digits) {
  if (x === null || x === undefined || !Number.isFinite(x)) return "–";
  if (digits === undefined || x === 0) return String(x);
  const text = Math.abs(x) < 1e-3 ? x.toExponential(digits - 1) : x.toPrecision(digits);
  return text.replace("e+", "e");
}

/** Whole numbers with groups of three. */
export const whole = (x) => String(x).replace(/\B(?=(\d{3})+$)/g, ",");

/** The largest |x| of matrices, some of which may be missing. */
export function largest(...matrices) {
  let most = 0;
  for (const rows of matrices) {
    for (const row of rows ?? []) for (const x of row) if (x !== null) most = Math.max(most, Math.abs(x));
  }
  return most;
}

/** a - b, entry by entry. */
export const minus = (a, b) =>
  a.map((row, i) => row.map((x, j) => (x === null || b[i][j] === null ? null : x - b[i][j])));
