// Six pairs on a sphere, pure: their angles, points, loss at every elevation and its minimum.
// The same as `mgaplib.dynamics.sphere`, seen in a mirror: here a positive elevation is up.
import { belonging, contrastiveLosses } from "./landscape_engine.js";

export const DEGREE = Math.PI / 180;
export const STEPS = 180; // one stop a degree, from -90 to 90

const SIX = belonging(6);

/** The point at an elevation above the equator and an angle along it, in radians. */
export const point = (elevation, azimuth) => [
  Math.cos(elevation) * Math.cos(azimuth),
  Math.cos(elevation) * Math.sin(azimuth),
  Math.sin(elevation),
];

/** The angles along the equator of six images and of their texts. */
function azimuths(spacing, mismatched) {
  const images = [-1, 0, 1, 2, 3, 4].map((k) => k * spacing * DEGREE);
  const order = mismatched ? [1, 0, 2, 3, 4, 5] : [0, 1, 2, 3, 4, 5];
  return { images, texts: order.map((k) => images[k]) };
}

const mean = (points) => [0, 1, 2].map((k) => points.reduce((sum, p) => sum + p[k], 0) / points.length);

/**
 * All numbers of a setting.
 * @param {number} spacing between neighbours, in degrees
 * @param {number} elevation of the texts, in degrees
 * @param {number} tau temperature
 * @param {boolean} mismatched whether two captions are swapped
 */
export function measureSphere(spacing, elevation, tau, mismatched) {
  const { images, texts } = azimuths(spacing, mismatched);
  const along = images.map((a) => texts.map((b) => Math.cos(a - b)));
  const lossAt = (degrees) => {
    const factor = Math.cos(degrees * DEGREE); // lifting the texts shrinks every cosine by the same factor
    const losses = contrastiveLosses(SIX, tau, (i, row) => along[i].forEach((cosine, j) => (row[j] = factor * cosine)));
    return (losses[0] + losses[1]) / 2;
  };
  const curve = Array.from({ length: STEPS + 1 }, (_, k) => lossAt(k - 90));
  let best = 90; // both sides are alike: the one at or above the equator is named
  for (let k = 91; k <= STEPS; k++) if (curve[k] < curve[best] - 1e-12) best = k;
  const centres = [mean(images.map((a) => point(0, a))), mean(texts.map((b) => point(elevation * DEGREE, b)))];
  const gap = Math.hypot(...[0, 1, 2].map((k) => centres[0][k] - centres[1][k]));
  const numbers = { gap, loss: lossAt(elevation), best_elevation: best - 90, best_loss: curve[best] };
  return { numbers, curve, images, texts };
}
