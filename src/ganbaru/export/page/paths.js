// Interpolation between two points, as in `ganbaru morph`.

function norm(point) {
  return Math.sqrt(point.reduce((sum, x) => sum + x * x, 0));
}

function line(one, other, share) {
  return one.map((x, i) => (1 - share) * x + share * other[i]);
}

// Interpolates directions along the great circle, norms linearly (Shoemake 1985; White 2016).
function slerp(one, other, share) {
  const norms = [norm(one), norm(other)];
  const cosine = one.reduce((sum, x, i) => sum + (x / norms[0]) * (other[i] / norms[1]), 0);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  // Equal directions have no great circle between them, and opposite ones no shortest.
  if (!(angle > 1e-6 && angle < Math.PI - 1e-6)) return line(one, other, share);
  const before = Math.sin((1 - share) * angle) / Math.sin(angle) / norms[0];
  const after = Math.sin(share * angle) / Math.sin(angle) / norms[1];
  const length = (1 - share) * norms[0] + share * norms[1];
  return one.map((x, i) => length * (before * x + after * other[i]));
}
