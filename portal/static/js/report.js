// The report form: photos shown before they are sent, and a place pointed at on the map.
// The form works without this file; the map is fetched only when somebody opens it.

// ---------------------------------------------------------------- photos

for (const box of document.querySelectorAll("[data-photos]")) {
  const input = box.querySelector("input[type=file]");
  const list = box.parentElement.querySelector("[data-thumbs]");
  const addresses = [];
  input.addEventListener("change", () => {
    for (const address of addresses.splice(0)) URL.revokeObjectURL(address);
    list.replaceChildren();
    for (const file of [...input.files].slice(0, Number(box.dataset.max))) {
      const address = URL.createObjectURL(file);
      addresses.push(address);
      const item = document.createElement("li");
      const image = document.createElement("img");
      image.src = address;
      image.alt = file.name;
      image.addEventListener("error", () => {
        const name = document.createElement("small");
        name.textContent = file.name;
        item.replaceChildren(name);
      });
      item.append(image);
      list.append(item);
    }
    if (input.files.length > Number(box.dataset.max)) {
      const words = document.createElement("li");
      words.textContent = box.dataset.many;
      list.append(words);
    }
  });
}

// ---------------------------------------------------------------- the place

async function openMap(box) {
  const { Map: MapLibre, Marker, NavigationControl } = await import(new URL("../vendor/maplibre-gl/maplibre-gl.mjs", import.meta.url));
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const style = await (await fetch(`${box.dataset.pick}?theme=${dark ? "dark" : "light"}`)).json();
  const input = box.querySelector("input[type=hidden]");
  const words = box.querySelector("[data-picked]");
  const clear = box.querySelector("[data-clear]");
  const bounds = style.metadata?.bounds;
  const map = new MapLibre({
    container: box.querySelector("[data-map]"),
    style,
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    ...(bounds ? { bounds, fitBoundsOptions: { padding: 16 } } : { center: [121.105, 31.1553], zoom: 15.6 }),
  });
  map.addControl(new NavigationControl({ showCompass: false }), "top-right");
  map.touchZoomRotate.disableRotation();
  let marker = null;
  const put = (lngLat) => {
    marker?.remove();
    marker = lngLat ? new Marker({ color: getComputedStyle(box).getPropertyValue("--danger") }).setLngLat(lngLat).addTo(map) : null;
    input.value = lngLat ? `${lngLat.lat.toFixed(6)},${lngLat.lng.toFixed(6)}` : "";
    words.textContent = lngLat ? words.dataset.picked : words.dataset.none;
    clear.hidden = !lngLat;
  };
  map.on("click", (event) => put(event.lngLat));
  clear.addEventListener("click", () => put(null));
  box.querySelector("[data-here]").addEventListener("click", () => {
    navigator.geolocation?.getCurrentPosition(
      (found) => {
        const lngLat = { lat: found.coords.latitude, lng: found.coords.longitude };
        put(lngLat);
        map.easeTo({ center: [lngLat.lng, lngLat.lat], zoom: 17 });
      },
      () => { words.textContent = words.dataset.hereFailed; },
      { enableHighAccuracy: true, timeout: 10000 },
    );
  });
  if (input.value) {
    const [lat, lng] = input.value.split(",").map(Number);
    put({ lat, lng });
  }
}

for (const box of document.querySelectorAll("details[data-pick]")) {
  if (!box.dataset.pick) {
    box.hidden = true;
    continue;
  }
  box.addEventListener("toggle", () => {
    if (!box.open || box.dataset.opened) return;
    box.dataset.opened = "1";
    openMap(box).catch((error) => { console.error(error); box.open = false; });
  });
}
