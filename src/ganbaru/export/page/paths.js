// The way from one picture to another: that of `ganbaru morph`.

function norm(point) {
  return Math.sqrt(point.reduce((sum, x) => sum + x * x, 0));
}

function line(one, other, share) {
  return one.map((x, i) => (1 - share) * x + share * other[i]);
}

// Turns the direction along the great circle and the norm evenly (Shoemake 1985; White 2016).
function slerp(one, other, share) {
  const norms = [norm(one), norm(other)];
  const cosine = one.reduce((sum, x, i) => sum + (x / norms[0]) * (other[i] / norms[1]), 0);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  // No circle leads from a direction to itself, and none to the opposite one is the shortest.
  if (!(angle > 1e-6 && angle < Math.PI - 1e-6)) return line(one, other, share);
  const before = Math.sin((1 - share) * angle) / Math.sin(angle) / norms[0];
  const after = Math.sin(share * angle) / Math.sin(angle) / norms[1];
  const length = (1 - share) * norms[0] + share * norms[1];
  return one.map((x, i) => length * (before * x + after * other[i]));
}
