// Keeps the alarms board, an incident's page and a wearer's page as new as the gateway's word.

import { calmly, follow, refresh } from "./live.js";

const board = document.getElementById("board");
const show = calmly(
  () => refresh(board, board.dataset.refresh, { part: board.dataset.part ?? null }).catch(() => {}),
  700,
);

follow({
  incident: show,
  wearer: (data) => {
    if (board.dataset.wearer === String(data.id)) show();
  },
  roster: show,
  health: show,
  reload: show,
});
