// The fields of a fence's form: the one truth about where a fence is. Drawing writes them, typing is read from them.
// A ground is what the server's check calls so: degrees of WGS-84, latitude first.

const GROUND = ["lat", "lon", "radius_m", "corners", "holes", "line", "half_width_m", "datum"];
const PLACES = 6;

export class Fields {
  constructor(form) {
    this.form = form;
    this.writing = false;
  }

  get keep() {
    return this.form.querySelector("input[name=keep]:checked")?.value ?? "in";
  }

  kind() {
    return this.form.querySelector("input[name=kind]:checked")?.value ?? "";
  }

  value(name) {
    return this.form.elements.namedItem(name)?.value ?? "";
  }

  has(name) {
    return this.form.elements.namedItem(name) !== null;
  }

  // Everything that says where the fence is, to come back to.
  snapshot() {
    return JSON.stringify([this.kind(), ...GROUND.map((name) => this.value(name))]);
  }

  restore(snapshot) {
    const [kind, ...values] = JSON.parse(snapshot);
    this.fill({ kind, ...Object.fromEntries(GROUND.map((name, place) => [name, values[place]])) });
  }

  // Answers by name, as a beginning or a drawing gives them.
  fill(answers) {
    this.writing = true;
    for (const [name, text] of Object.entries(answers)) {
      if (name === "kind") {
        const radio = this.form.querySelector(`input[name=kind][value="${text}"]`);
        if (radio) radio.checked = true;
      } else if (this.has(name)) {
        this.form.elements.namedItem(name).value = text;
      }
    }
    this.form.dispatchEvent(new Event("change", { bubbles: true })); // other questions count now
    this.writing = false;
  }

  write(ground) {
    this.fill({ ...answers(ground), datum: "wgs84" });
  }

  data() {
    return new FormData(this.form);
  }
}

function degrees(number) {
  return String(Number(number.toFixed(PLACES)));
}

function lines(corners) {
  return corners.map(([lat, lon]) => `${degrees(lat)}, ${degrees(lon)}`).join("\n");
}

function answers(ground) {
  switch (ground.kind) {
    case "circle":
      return { kind: "circle", lat: degrees(ground.centre[0]), lon: degrees(ground.centre[1]), radius_m: String(Math.max(1, Math.round(ground.radius_m))) };
    case "polygon":
      return { kind: "polygon", corners: lines(ground.polygon), holes: ground.holes.map(lines).join("\n\n") };
    default:
      return { kind: "corridor", line: lines(ground.line), half_width_m: String(ground.half_width_m) };
  }
}
