/**
 * The probability that chi-square with so many degrees of freedom is at least `statistic`: the upper regularised incomplete gamma function
 * `Q(degrees / 2, statistic / 2)`, by its series or its continued fraction, whichever converges.
 */
export function chiSquareProbability(statistic: number, degrees: number): number {
  if (statistic === Number.POSITIVE_INFINITY) return 0;
  const [a, x] = [degrees / 2, statistic / 2];
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x === 0) return 1;
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; term > sum * 1e-16; n++) {
      term *= x / (a + n);
      sum += term;
    }
    return 1 - front * sum;
  }
  // Lentz's method.
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let n = 1; n < 10_000; n++) {
    const an = -n * (n - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return front * h;
}

/** `ln Γ(a)` of a multiple of 1/2 above 0, by recurrence from Γ(1/2) and Γ(1). */
function logGamma(a: number): number {
  let result = Number.isInteger(a) ? 0 : Math.log(Math.PI) / 2;
  for (let x = Number.isInteger(a) ? 1 : 0.5; x < a; x++) result += Math.log(x);
  return result;
}
