// Keeps the alarms board, an incident's page and a wearer's page as new as the gateway's word.

import { count } from "./countdown.js";
import { calmly, follow, refresh } from "./live.js";

const board = document.getElementById("board");
const show = calmly(
  () => refresh(board, board.dataset.refresh, { part: board.dataset.part ?? null }).then(() => count(board)).catch(() => {}),
  700,
);

// What else is on the page (the map of the desk) hears of it here, so that one page holds one stream.
function tell(topic, data) {
  document.dispatchEvent(new CustomEvent("care-event", { detail: { topic, data } }));
}

follow({
  incident: (data) => {
    show();
    tell("incident", data);
  },
  wearer: (data) => {
    if (board.dataset.wearer === String(data.id)) show();
    tell("wearer", data);
  },
  roster: show,
  health: show,
  reload: () => {
    show();
    tell("reload");
  },
});

count(board);
setInterval(() => count(board), 1000);
