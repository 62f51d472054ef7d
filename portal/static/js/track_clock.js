// The clock of a play-back and where somebody was at its time: pure, no page, no map.
// Times are seconds since the start of the window; `span` is how long it is.

// The clock after `elapsed_s` of real time: it runs `speed` times as fast and stops at the end.
// `skips` are stretches (from, to) it jumps over, in order; it never goes back.
export function advance({ at, span, speed }, elapsed_s, skips = []) {
  let now = at;
  let left = Math.max(0, elapsed_s) * speed;
  for (const [from, to] of skips) {
    if (to <= now) continue;
    const until = Math.max(0, from - now);
    if (left < until) break;
    left -= until;
    now = to;
  }
  now = Math.min(span, now + left);
  return { at: now, span, speed, over: now >= span };
}

// The columns of a track whole again: what came as steps becomes times and degrees.
export function whole({ t, lat, lon, pieces }) {
  const sum = (steps) => {
    let total = 0;
    return Float64Array.from(steps, (step) => (total += step));
  };
  const lats = sum(lat);
  const lons = sum(lon);
  const ends = [];
  let end = 0;
  for (const count of pieces) ends.push((end += count));
  return { at: sum(t), lat: lats.map((value) => value / 1e6), lon: lons.map((value) => value / 1e6), ends };
}

// The number of the last value that is not after `at`, -1 before the first.
export function lastBefore(values, at) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// Where somebody was: between two fixes of one piece in proportion to the time; in a gap where they were last seen.
// null before the first fix. `known` is false in a gap and after the last fix.
export function positionAt(track, at) {
  const before = lastBefore(track.at, at);
  if (before < 0) return null;
  const here = { lat: track.lat[before], lon: track.lon[before], before, known: true };
  if (track.at[before] === at) return here;
  const after = before + 1;
  if (after >= track.at.length || track.ends.includes(after)) return { ...here, known: false };
  const share = (at - track.at[before]) / (track.at[after] - track.at[before]);
  return {
    lat: here.lat + share * (track.lat[after] - here.lat),
    lon: here.lon + share * (track.lon[after] - here.lon),
    before,
    known: true,
  };
}

// The coordinates of each piece, only up to a time where one is given.
export function lines(track, until = Infinity) {
  const found = [];
  let begin = 0;
  for (const end of track.ends) {
    const line = [];
    for (let number = begin; number < end && track.at[number] <= until; number += 1) line.push([track.lon[number], track.lat[number]]);
    if (line.length) found.push(line);
    begin = end;
  }
  return found;
}
