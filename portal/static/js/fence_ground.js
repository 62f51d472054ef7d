// Grounds in numbers, no map: distances, circles, moving, leaving a corner out.

export const METRES_A_DEGREE = 111_195;
const CIRCLE_CORNERS = 72;

export function metres([lat, lon], [otherLat, otherLon]) {
  const across = METRES_A_DEGREE * Math.cos((((lat + otherLat) / 2) * Math.PI) / 180);
  return Math.hypot((otherLon - lon) * across, (otherLat - lat) * METRES_A_DEGREE);
}

export function east(centre, metresEast) {
  return [centre[0], centre[1] + metresEast / (METRES_A_DEGREE * Math.cos((centre[0] * Math.PI) / 180))];
}

const turned = (corners) => corners.map(([lat, lon]) => [lon, lat]);
const closed = (ring) => (ring.length ? [...ring, ring[0]] : ring);

function circle([lat, lon], radius) {
  const across = METRES_A_DEGREE * Math.cos((lat * Math.PI) / 180);
  const corners = [];
  for (let corner = 0; corner < CIRCLE_CORNERS; corner += 1) {
    const angle = (corner / CIRCLE_CORNERS) * 2 * Math.PI;
    corners.push([lat + (radius * Math.sin(angle)) / METRES_A_DEGREE, lon + (radius * Math.cos(angle)) / across]);
  }
  return corners;
}

// The area as it can be drawn at once; a corridor's waits for the server, which has its round ends.
export function area(ground) {
  if (ground?.kind === "circle") return { type: "Polygon", coordinates: [closed(turned(circle(ground.centre, ground.radius_m)))] };
  if (ground?.kind === "polygon") return { type: "Polygon", coordinates: [ground.polygon, ...ground.holes].map((ring) => closed(turned(ring))) };
  return null;
}

export function places(ground) {
  if (!ground) return [];
  if (ground.kind === "circle") return circle(ground.centre, ground.radius_m);
  return ground.kind === "polygon" ? ground.polygon : ground.line ?? [];
}

export function moved(ground, [byLat, byLon]) {
  const step = ([lat, lon]) => [lat + byLat, lon + byLon];
  if (ground.kind === "circle") return { ...ground, centre: step(ground.centre) };
  if (ground.kind === "polygon") return { ...ground, polygon: ground.polygon.map(step), holes: ground.holes.map((ring) => ring.map(step)) };
  return { ...ground, line: ground.line.map(step) };
}

// Every corner that may be left out, with what the ground is without it (none left: no ground any more).
export function corners(ground) {
  const without = (ring, place) => ring.filter((_, other) => other !== place);
  if (ground?.kind === "polygon") {
    const outer = ground.polygon.map((at, place) => ({ at, left: ground.polygon.length > 3 ? { ...ground, polygon: without(ground.polygon, place) } : null }));
    const inner = ground.holes.flatMap((ring, hole) =>
      ring.map((at, place) => {
        const kept = ring.length > 3 ? [without(ring, place)] : [];
        return { at, left: { ...ground, holes: [...ground.holes.slice(0, hole), ...kept, ...ground.holes.slice(hole + 1)] } };
      }),
    );
    return [...outer, ...inner];
  }
  if (ground?.kind === "corridor") {
    return ground.line.map((at, place) => ({ at, left: ground.line.length > 2 ? { ...ground, line: without(ground.line, place) } : null }));
  }
  return [];
}
