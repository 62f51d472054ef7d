// The worker: what a telephone answers by itself while nobody else does. `TOLD` is written above by the server:
// {version, files, pages}. It asks the network first, always; what it stored is for when the network fails.
// Nothing here may break a page: a worker that cannot store anything simply answers nothing.

const STORE = `shouwang-static-${TOLD.version}`;
const KEPT = "shouwang-kept";

async function fill() {
  const store = await caches.open(STORE);
  const wanted = [...TOLD.files, ...Object.values(TOLD.pages)];
  await Promise.all(
    wanted.map(async (path) => {
      const answer = await fetch(path, { cache: "no-cache", credentials: "omit" });
      if (answer.ok) await store.put(path, answer);
    }),
  );
}

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(fill());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      for (const name of await caches.keys()) {
        if (name.startsWith("shouwang-static-") && name !== STORE) await caches.delete(name);
      }
      await self.clients.claim();
    })(),
  );
});

async function language() {
  const said = await (await caches.open(KEPT)).match("/kept/display");
  return said ? (await said.json()).language : "zh";
}

async function withoutNetwork() {
  const store = await caches.open(STORE);
  const found = await store.match(TOLD.pages[await language()] ?? TOLD.pages.zh);
  return found ?? Response.error();
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") {
    event.respondWith(fetch(request).catch(withoutNetwork));
  } else if (TOLD.files.includes(url.pathname)) {
    event.respondWith(
      fetch(request).catch(async () => (await (await caches.open(STORE)).match(url.pathname)) ?? Response.error()),
    );
  }
});
