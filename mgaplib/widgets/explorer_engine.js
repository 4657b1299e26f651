// The GapExplorer's arithmetic: every number of a setting, from one cross-Gram and a few small tables.
// Python puts this file between the shared pieces and the explorer itself.

/** Read the data; a missing or truncated part is an error that names it. */
function readData(data) {
  const { n, stops, taus, curve_stops: columns } = data ?? {};
  if (!(n >= 2)) throw new Error("the data name no pairs");
  const table = (name, length) => typed(Float64Array, data[name], length, name);
  const levels = typed(Int16Array, data.gram, n * n, "gram");
  const gram = new Float32Array(n * n);
  for (let k = 0; k < gram.length; k++) gram[k] = data.gram_centre + data.gram_step * levels[k];
  const own = table("own", n); // the pairs' own cosines count most, so they come unrounded
  for (let i = 0; i < n; i++) gram[i * (n + 1)] = own[i];
  const flat = typed(Float32Array, data.curves, taus.length * columns * 2, "curves");
  const steps = {};
  for (const [name, { count }] of Object.entries(data.steps)) {
    steps[name] = {
      at: typed(Float64Array, data.steps[name].at, count, `steps of ${name}`),
      value: typed(Float64Array, data.steps[name].value, count, `values of ${name}`),
    };
  }
  return {
    ...data,
    gram,
    own,
    p: table("p", n),
    q: table("q", n),
    acrossImages: table("across_images", n),
    acrossTexts: table("across_texts", n),
    squaredGaps: table("squared_gaps", stops),
    /** The tabulated loss of one direction (0 image to text, 1 text to image) at the k-th temperature. */
    curve: (k, direction) => flat.subarray((2 * k + direction) * columns, (2 * k + direction + 1) * columns),
    steps,
  };
}

/**
 * All numbers of a setting, in closed form. With u the gap's direction, s = x.y, p = x.u and q = y.u, moving the
 * image by -t u and the text by t u makes their cosine (s + t p - t q - t^2) over the two new lengths.
 */
function makeEngine(d) {
  const { n, p, q, gram, own } = d;
  const first = d.shift_range[0];
  const stepOf = (count) => (d.shift_range[1] - first) / (count - 1);
  const imageLength = (i, t) => Math.sqrt(1 - 2 * t * p[i] + t * t);
  const textLength = (j, t) => Math.sqrt(1 + 2 * t * q[j] + t * t);
  const scale = new Float64Array(n);
  const offset = new Float64Array(n);
  const columnSums = new Float64Array(n);

  function losses(shift, tau) {
    const t = shift * d.gap_length;
    for (let j = 0; j < n; j++) {
      scale[j] = 1 / (tau * textLength(j, t));
      offset[j] = -t * q[j];
    }
    columnSums.fill(0);
    let imageToText = 0;
    let textToImage = 0;
    for (let i = 0; i < n; i++) {
      const length = imageLength(i, t);
      const constant = t * p[i] - t * t;
      let rowSum = 0;
      for (let j = 0, k = i * n; j < n; j++, k++) {
        // Less the largest possible logit: a double holds exp(-2 / tau) down to tau = 0.003.
        const e = Math.exp(((gram[k] + constant + offset[j]) / length) * scale[j] - 1 / tau);
        rowSum += e;
        columnSums[j] += e;
      }
      const logit = ((own[i] + constant + offset[i]) / length) * scale[i] - 1 / tau;
      imageToText += Math.log(rowSum) - logit;
      textToImage -= logit;
    }
    for (let j = 0; j < n; j++) textToImage += Math.log(columnSums[j]);
    return [imageToText / n, textToImage / n];
  }

  /** Look up a share that changes only where some row's best match changes. */
  function share({ at, value }, shift) {
    let low = 0;
    let high = at.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (at[middle] <= shift) low = middle;
      else high = middle;
    }
    return value[low];
  }

  const gap = (shift) => Math.sqrt(Math.max(0, interpolate(d.squaredGaps, first, stepOf(d.stops), shift)));

  /** The loss at every tabulated shift; between two tabulated temperatures, interpolated in the logarithm. */
  function curve(tau) {
    const logs = d.taus.map(Math.log);
    let k = logs.findIndex((log) => log >= Math.log(tau) - 1e-12);
    if (k < 0) k = logs.length - 1;
    const exact = Math.abs(logs[k] - Math.log(tau)) < 1e-9;
    const base = Math.min(Math.max(k - 2, 0), logs.length - 4);
    const nodes = exact ? [k] : [base, base + 1, base + 2, base + 3];
    const weights = nodes.map((a) =>
      nodes.reduce((w, b) => (a === b ? w : (w * (Math.log(tau) - logs[b])) / (logs[a] - logs[b])), 1),
    );
    return [0, 1].map((direction) => {
      const rows = nodes.map((node) => d.curve(node, direction));
      return Float64Array.from(rows[0], (_, c) => rows.reduce((sum, row, r) => sum + weights[r] * row[c], 0));
    });
  }

  return {
    gap,
    curve,
    losses,
    metrics(shift, tau) {
      const [imageToText, textToImage] = losses(shift, tau);
      const numbers = {
        gap: gap(shift),
        loss: (imageToText + textToImage) / 2,
        loss_image_to_text: imageToText,
        loss_text_to_image: textToImage,
      };
      for (const name of Object.keys(d.steps)) numbers[name] = share(d.steps[name], shift);
      return numbers;
    },
    curveShift: (k) => first + k * stepOf(d.curve_stops),
    /** Write both modalities' places in the picture: along the gap, and the first direction across it. */
    places(shift, into) {
      const t = shift * d.gap_length;
      for (let i = 0; i < n; i++) {
        const a = imageLength(i, t);
        const b = textLength(i, t);
        into[4 * i] = (p[i] - t) / a;
        into[4 * i + 1] = d.acrossImages[i] / a;
        into[4 * i + 2] = (q[i] + t) / b;
        into[4 * i + 3] = d.acrossTexts[i] / b;
      }
      return into;
    },
    cosine(i, j, shift) {
      const t = shift * d.gap_length;
      return (gram[i * n + j] + t * (p[i] - q[j]) - t * t) / imageLength(i, t) / textLength(j, t);
    },
  };
}

/** The lowest point of a curve, refined by the parabola through its neighbours. */
function lowest(values, shiftOf) {
  let k = 0;
  for (let c = 1; c < values.length; c++) if (values[c] < values[k]) k = c;
  if (k === 0 || k === values.length - 1) return { shift: shiftOf(k), value: values[k] };
  const [a, b, c] = [values[k - 1], values[k], values[k + 1]];
  const t = (a - c) / (2 * (a - 2 * b + c) || Infinity);
  return { shift: shiftOf(k) + t * (shiftOf(1) - shiftOf(0)), value: b - ((a - c) * t) / 4 };
}
