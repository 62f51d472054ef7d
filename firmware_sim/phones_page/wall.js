/* Draws the wall of telephones as the simulator tells it, and sends what the visitor presses. */

const english = new URLSearchParams(location.search).get("lang") === "en";
const WORDS = {
  title: ["电话墙", "Wall of telephones"],
  demo: [
    "演示：没有拨打任何真实电话，也没有发送任何真实短信",
    "Demo: no real telephone is rung and no real text is sent",
  ],
  other: ["English", "中文"],
  sound_on: ["打开声音", "Sound on"],
  sound_off: ["关闭声音", "Sound off"],
  lost: ["与模拟器失去联系，以下内容停在", "The simulator is out of reach; this page stands still since"],
  quiet: ["现在没有电话在响", "No telephone rings now"],
  rings: ["正在响铃", "ringing"],
  talks: ["正在通话", "in a call"],
  caller: ["守望来电", "Shouwang is calling"],
  ringing_for: ["响铃", "Ringing"],
  talking_for: ["通话中", "In the call"],
  answer: ["接听", "Answer"],
  reject: ["拒接", "Decline"],
  hang_up: ["挂断", "Hang up"],
  key_1: ["我来处理", "I take it"],
  key_2: ["请找下一位", "Next, please"],
  key_3: ["让手环打给我", "Have the band ring me"],
  keypad: ["按键", "Keys"],
  pressed: ["按了", "pressed"],
  times: ["遍", "times"],
  machine_talks: ["语音信箱接听", "Answered by a machine"],
  empty: ["还没有短信和来电。报警发生后，会显示在这里。", "No texts and no calls yet. They appear here when there is an alarm."],
  answered: ["已接来电", "Answered call"],
  missed: ["未接来电", "Missed call"],
  rejected: ["占线或拒接", "Busy or declined"],
  machine: ["转到语音信箱", "Went to voicemail"],
  going: ["来电", "Call"],
  reply: ["回复短信", "Reply"],
  send: ["发送", "Send"],
  reply_hint: ["回复 1 表示接手", "1 takes the alarm"],
  no_reply: ["收到短信后可以回复", "Reply once a text is there"],
  hold: ["我来扮演", "I play"],
  release: ["交还给演示", "Demo plays"],
  held: ["由您扮演：不会自动接听", "You play: nobody else answers"],
  no_answer: ["不接电话", "does not answer"],
  busy: ["占线", "is engaged"],
  rejects: ["拒接", "declines"],
  voicemail: ["语音信箱接听", "a machine answers"],
  answers: ["接听，不按键", "answers, presses nothing"],
  presses: ["接听并按", "answers and presses"],
  replies: ["短信回复", "texts back"],
  demo_person: ["演示角色", "Demo person"],
  siren: ["现场警报器", "Siren on the spot"],
  siren_on: ["正在鸣响", "sounding"],
  siren_off: ["安静", "silent"],
  siren_empty: ["所有电话都无人接手时，警报器会响起。", "It sounds when nobody on any telephone takes the alarm."],
  began: ["响起", "began"],
  ended: ["停止", "ended"],
  failed: ["没有成功：电话已不在响铃或通话中", "Not done: the telephone no longer rings or talks"],
};
const say = (key) => WORDS[key][english ? 1 : 0];
const CLOCK = new Intl.DateTimeFormat("zh-CN", {
  timeZone: "Asia/Shanghai", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});
const clock = (iso) => CLOCK.format(new Date(iso));
const RELATIONS = {
  女儿: "daughter", 儿子: "son", 孙子: "grandson", 孙女: "granddaughter", 丈夫: "husband", 妻子: "wife", 老伴: "spouse",
  邻居: "neighbour", 值班人员: "duty staff", 家属: "family",
};
const pause = english ? ", " : "，";

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick" || name === "onsubmit") made[name] = value;
    else if (value !== false && value !== null) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

/* Replaces an element's content only when what it shows has changed: focus and typing stay. */
const drawn = new WeakMap();
function draw(place, facts, make) {
  const now = JSON.stringify(facts);
  if (drawn.get(place) === now) return false;
  drawn.set(place, now);
  place.replaceChildren(...[make()].flat().filter(Boolean));
  return true;
}

async function act(phone, what, given = {}) {
  const answer = await fetch(`/phones/${encodeURIComponent(phone)}/${what}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Shouwang-Wall": "1" },
    body: JSON.stringify(given),
  }).catch(() => null);
  if (answer?.ok) return true;
  const card = document.getElementById(`phone-${phone}`);
  const note = card?.querySelector(".note");
  if (note) {
    note.textContent = say("failed");
    setTimeout(() => { note.textContent = ""; }, 4000);
  }
  return false;
}

/* ------------------------------------------------------------------ sound: a ringing tone and a voice */

let audio = null;
let bell = null;
const spoken = new Set();

function ring(on) {
  if (!audio || Boolean(bell) === on) return;
  if (!on) {
    bell.stop();
    bell = null;
    return;
  }
  bell = audio.createOscillator();
  const swell = audio.createGain();
  const start = audio.currentTime;
  swell.gain.value = 0;
  for (let n = 0; n < 60; n += 1) {
    swell.gain.setValueAtTime(0.12, start + n * 3);
    swell.gain.setValueAtTime(0, start + n * 3 + 1);
  }
  bell.frequency.value = 450;
  bell.connect(swell).connect(audio.destination);
  bell.start();
}

function speak(wall) {
  for (const card of wall.cards) {
    if (card.call?.state !== "talking" || card.call.machine) continue;
    for (const { words } of card.call.heard) {
      const mark = `${card.phone} ${card.call.at} ${words}`;
      if (spoken.has(mark)) continue;
      spoken.add(mark);
      if (!audio || !window.speechSynthesis) continue;
      const voice = new SpeechSynthesisUtterance(words);
      voice.lang = /[\u4e00-\u9fff]/.test(words) ? "zh-CN" : "en-US";
      speechSynthesis.speak(voice);
    }
  }
}

/* ------------------------------------------------------------------ one telephone */

function linked(words) {
  return words.split(/(https?:\/\/[^\s，。]+)/).map((part, index) =>
    index % 2 ? el("a", { href: part, target: "_blank", rel: "noopener" }, part) : part);
}

function callItem(item) {
  const title = item.state === "over" ? say(item.end) : say("going");
  const missed = item.end === "missed" || item.end === "rejected";
  return el("li", { class: `item call ${missed ? "missed" : ""}` },
    el("p", { class: "call-title" }, el("span", { class: "glyph", "aria-hidden": "true" }), el("b", {}, title),
      el("time", {}, clock(item.at))),
    ...item.heard.map(({ words, times }) =>
      el("p", { class: "heard" }, `“${words}”`, times > 1 ? el("small", {}, ` ×${times}`) : null)),
    item.keys ? el("p", { class: "keys-pressed" }, `${say("pressed")} `, el("kbd", {}, item.keys)) : null);
}

function textItem(item) {
  return el("li", { class: `item text ${item.mine ? "mine" : ""}` },
    el("p", { class: "bubble" }, ...linked(item.words)),
    el("time", {}, clock(item.at), item.mine ? "" : ` · ${item.via === "modem" ? "SIM" : item.via}`));
}

function callScreen(card) {
  const { call, phone } = card;
  const ringing = call.state === "ringing";
  const script = call.heard.map(({ words }) => words).join(" ");
  const button = (kind, words, work) =>
    el("button", { class: `round ${kind}`, type: "button", onclick: work }, el("span", { class: "glyph", "aria-hidden": "true" }), words);
  const keys = ["1", "2", "3"].map((key) => {
    const meant = new RegExp(`(按|[Pp]ress )${key}`).test(script);
    return el("button", { class: "key", type: "button", onclick: () => act(phone, "press", { key }) },
      el("b", {}, key), meant ? el("small", {}, say(`key_${key}`)) : null);
  });
  return [
    el("p", { class: "caller" }, say("caller")),
    el("p", { class: "state" }, call.machine ? say("machine_talks") : say(ringing ? "ringing_for" : "talking_for"), " ",
      el("time", { "data-since": call.since })),
    ringing ? el("span", { class: "waves", "aria-hidden": "true" }, "守") : el("div", { class: "script" },
      ...call.heard.map(({ words }) => el("p", {}, words)),
      call.keys ? el("p", { class: "keys-pressed" }, `${say("pressed")} `, el("kbd", {}, call.keys)) : null),
    ringing
      ? el("div", { class: "choices" }, button("no", say("reject"), () => act(phone, "reject")), button("yes", say("answer"), () => act(phone, "answer")))
      : el("div", { class: "choices keypad", role: "group", "aria-label": say("keypad") }, ...keys, button("no", say("hang_up"), () => act(phone, "hang-up"))),
  ].filter(Boolean);
}

function habit(card) {
  if (card.held) return say("held");
  const { answer, key, reply } = card.habit;
  let words = `${say("demo_person")}${english ? ": " : "："}${say(answer)}`;
  if (answer === "presses") words += ` ${key}`;
  if (reply) words += `${pause}${say("replies")} ${reply}`;
  return words;
}

function newCard(card) {
  const input = el("input", { type: "text", name: "words", maxlength: 200, autocomplete: "off", "aria-label": say("reply") });
  const form = el("form", { class: "reply", onsubmit: async (event) => {
    event.preventDefault();
    if (input.value.trim() && await act(card.phone, "reply", { words: input.value })) input.value = "";
  } }, input, el("button", { type: "submit" }, say("send")));
  return el("article", { class: "phone", id: `phone-${card.phone}`, "aria-labelledby": `name-${card.phone}` },
    el("header", {}, el("span", { class: "avatar", "aria-hidden": "true" }, card.name.slice(0, 1)),
      el("div", { class: "who" }, el("h2", { id: `name-${card.phone}` }, card.name), el("p", { class: "about" })),
      el("button", { class: "hold", type: "button" })),
    el("p", { class: "habit" }),
    el("div", { class: "screen" }, el("ol", { class: "thread", tabindex: "0" }), el("div", { class: "calling", hidden: true })),
    el("p", { class: "note", role: "status" }), form);
}

function drawCard(card) {
  const id = `phone-${card.phone}`;
  let place = document.getElementById(id);
  if (!place) {
    place = newCard(card);
    document.getElementById("wall").append(place);
  }
  const relation = english ? RELATIONS[card.relation] ?? "" : card.relation;
  const about = card.of && relation ? (english ? `${relation} of ${card.of}` : `${card.of}的${relation}`) : relation;
  draw(place.querySelector(".about"), [about, card.number], () => [
    el("span", {}, about), about ? " · " : "", el("span", { class: "number" }, card.number)]);
  place.querySelector(".habit").textContent = habit(card);
  const hold = place.querySelector(".hold");
  hold.textContent = say(card.held ? "release" : "hold");
  hold.setAttribute("aria-pressed", String(card.held));
  hold.onclick = () => act(card.phone, card.held ? "release" : "hold");
  place.dataset.state = card.call?.state ?? "idle";
  place.toggleAttribute("data-held", card.held);
  const thread = place.querySelector(".thread");
  const fresh = draw(thread, card.items, () => card.items.length
    ? card.items.map((item) => (item.kind === "text" ? textItem(item) : callItem(item)))
    : el("li", { class: "empty" }, say("empty")));
  if (fresh) thread.scrollTop = thread.scrollHeight;
  const calling = place.querySelector(".calling");
  calling.hidden = !card.call;
  draw(calling, card.call, () => (card.call ? callScreen(card) : []));
  const input = place.querySelector(".reply input");
  const send = place.querySelector(".reply button");
  input.disabled = send.disabled = !card.can_reply;
  input.placeholder = say(card.can_reply ? "reply_hint" : "no_reply");
}

function drawSiren(siren) {
  if (!siren) return;
  let place = document.getElementById("siren");
  if (!place) {
    place = el("article", { class: "phone siren", id: "siren" });
    document.getElementById("wall").append(place);
  }
  place.dataset.state = siren.on ? "ringing" : "idle";
  draw(place, siren, () => [
    el("header", {}, el("span", { class: "avatar", "aria-hidden": "true" }, "警"), el("div", { class: "who" }, el("h2", {}, say("siren")))),
    el("div", { class: "screen horn" }, el("p", { class: "level" }, say(siren.on ? "siren_on" : "siren_off")),
      siren.changes.length
        ? el("ol", {}, ...siren.changes.map((change) => el("li", {}, el("time", {}, clock(change.at)), " ", say(change.on ? "began" : "ended"))))
        : el("p", { class: "empty" }, say("siren_empty"))),
  ]);
}

function drawNow(cards) {
  const busy = cards.filter((card) => card.call);
  const facts = busy.map(({ phone, name, call }) => ({ phone, name, state: call.state }));
  draw(document.getElementById("now"), facts, () => (busy.length
    ? facts.map(({ phone, name, state }) =>
      el("a", { href: `#phone-${phone}`, class: state }, el("b", {}, name), " ", say(state === "ringing" ? "rings" : "talks")))
    : el("span", {}, say("quiet"))));
}

/* ------------------------------------------------------------------ the page */

function drawNav(links) {
  draw(document.getElementById("nav"), [links, Boolean(audio)], () => [
    ...links.map(({ words, words_en, url }) => el("a", { href: url, target: "_blank", rel: "noopener" }, english ? words_en : words)),
    el("a", { href: english ? "/" : "/?lang=en", lang: english ? "zh-CN" : "en" }, say("other")),
    el("button", { type: "button", "aria-pressed": String(Boolean(audio)), onclick: () => {
      if (audio) { ring(false); audio.close(); audio = null; speechSynthesis?.cancel(); } else audio = new AudioContext();
      drawNav(links);
    } }, say(audio ? "sound_off" : "sound_on")),
  ]);
}

function tick() {
  for (const time of document.querySelectorAll("[data-since]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - new Date(time.dataset.since)) / 1000));
    time.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
}

function begin() {
  document.documentElement.lang = english ? "en" : "zh-CN";
  document.title = english ? "Shouwang · wall of telephones (demo)" : "守望 · 电话墙（演示）";
  document.getElementById("demo").textContent = say("demo");
  document.getElementById("title").textContent = say("title");
  const lost = document.getElementById("lost");
  const events = new EventSource("/events");
  events.onmessage = ({ data }) => {
    const wall = JSON.parse(data);
    lost.hidden = true;
    document.getElementById("scene").textContent = english ? wall.title_en : wall.title;
    drawNav(wall.links);
    drawNow(wall.cards);
    wall.cards.forEach(drawCard);
    drawSiren(wall.siren);
    tick();
    ring(wall.cards.some((card) => card.call?.state === "ringing"));
    speak(wall);
  };
  events.onerror = () => {
    if (lost.hidden) lost.textContent = `${say("lost")} ${clock(new Date())}`;
    lost.hidden = false;
  };
  setInterval(tick, 1000);
}

begin();
