// Shows the sign-in or the chat, by whether this browser has a session.

import { Chat } from "./chat.js";
import * as connection from "./connection.js";
import { show } from "./dom.js";
import * as session from "./session.js";
import { signInForm } from "./sign_in.js";

const page = document.getElementById("page");
let chat = null;

function start() {
  // Of an account that is signed in no longer.
  for (const open of document.querySelectorAll("dialog")) open.close();
  show(document.getElementById("notices"));
  chat?.close();
  chat = session.read() ? new Chat() : null;
  show(page, chat ? chat.element : signInForm());
  chat?.open();
}

const WORDS = {
  ok: "",
  offline: "The server cannot be reached. Trying again…",
  busy: "The server is busy. Trying again…",
};
connection.changes.addEventListener("change", () => {
  document.getElementById("connection").textContent = WORDS[connection.state];
  if (connection.state === "ok") chat?.refresh();
});
session.changes.addEventListener("change", start);
start();
