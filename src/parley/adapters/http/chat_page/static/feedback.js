// Ratings of replies, and what was wrong with a bad one.

import { call } from "./api.js";
import { asked } from "./dialogs.js";

const MOST_CHARACTERS = 2_000;

/** Rates a reply, or withdraws the rating with null. `update(message)` shows the message, twice if there is a comment. */
export async function rate(message, rating, update) {
  const path = `chatroom/${message.chatroom_id}/messages/${message.id}/feedback`;
  const rated = rating ? await call("PUT", path, { body: { rating } }) : await call("DELETE", path);
  update(rated ?? { ...message, feedback: null });
  if (rating !== "down") return;
  const comment = await asked("What was wrong?", "Comment", {
    action: "Send comment", long: true, most: MOST_CHARACTERS, hint: "Your rating is saved, with or without a comment.",
  });
  if (comment?.trim()) update(await call("PUT", path, { body: { rating, comment: comment.trim() } }));
}
