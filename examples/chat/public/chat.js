/**
 * The page of the chat. It stores the latest state from the server, and shows it; `messages.ts` describes
 * the messages.
 */
import { Figure } from "./figures.js";
import { LiveSocket } from "./live_socket.js";
import { avatarOf, element, Log, nameOf } from "./log.js";

const NAME_KEY = "sluice-chat-name";

const $ = (id) => document.getElementById(id);
const log = new Log($("log"), $("to-latest"));
const figures = {
  roundTripMs: new Figure($("round-trip"), {
    smallestScale: 2,
    describe: (value, peak) => `Round-trip time of the last minute: ${value} ms, peak ${peak} ms`,
  }),
  messagesPerSecond: new Figure($("rate"), {
    smallestScale: 5,
    describe: (value, peak) => `Messages per second in the last minute: ${value}, peak ${peak}`,
  }),
  connections: new Figure($("connections"), {
    smallestScale: 4,
    describe: (value, peak) => `Connections in the last minute: ${value}, peak ${peak}`,
  }),
};

/** How many messages are remembered as seen; the server sends fewer to a page that reconnects. */
const MAX_SEEN = 500;

/** The people in the room by id, on all servers. */
const people = new Map();
/** The person of this page once it has joined, and the one before the reconnect. */
let me;
const myIds = new Set();
/** The server and the room, after the server's first message. */
let server;
let room;
/** The ids of the messages that are shown, to continue after a reconnect. */
const seen = new Set();
/** Messages before the server's first state, to be handled after it; `undefined` from then on. */
let early;
/** The requested name, to join with again after a reconnect. */
let wantedName = recall("sessionStorage");
/** Texts that were sent and not yet received back as messages, oldest first. */
let unconfirmed = [];
let unread = 0;
let countdown;

// ---- From the server ----

const address = new URL("chat", location.href.replace(/^http/, "ws"));
address.search = location.search;
const socket = new LiveSocket(address, {
  connecting() {
    early = [];
    clearInterval(countdown);
    setState("connecting", "Connecting");
    $("offline-countdown").textContent = "";
  },
  message(message) {
    if (early === undefined || message.type === "hello") received[message.type]?.(message);
    else early.push(message);
  },
  down(delayMs) {
    setState("offline", "Offline");
    Object.values(figures).forEach((figure) => figure.push(null));
    showCountdown(delayMs);
    if (!$("offline").hidden) return;
    $("offline-text").textContent = server === undefined
      ? "The server can't be reached."
      : "The connection is lost.";
    $("offline").hidden = false;
    if (server === undefined) return;
    log.addNotice("The connection is lost. This page tries to come back.");
    me = undefined;
    if (unconfirmed.length > 0) {
      restoreText(unconfirmed.join("\n"));
      showProblem("What you said last may not have arrived. It is in the field below again.");
      unconfirmed = [];
    }
  },
});

const received = {
  hello(hello) {
    setState("online", "Online");
    $("offline").hidden = true;
    $("server").textContent = hello.server.name;
    $("name").maxLength = hello.limits.name;
    $("message").maxLength = hello.limits.text;
    showRoom(hello.room);
    const isBack = server !== undefined;
    if (isBack) {
      const isSame = hello.server.id === server.id;
      log.addNotice(isSame ? "The connection is back." : "The server was restarted.");
    }
    server = hello.server;
    people.clear();
    hello.people.forEach((person) => people.set(person.id, person));
    showPeople();
    const isSaid = ({ type }) => type === "message";
    const said = [...hello.history, ...early.filter(isSaid).map(({ message }) => message)];
    log.addMany(() => said.sort((a, b) => a.at - b.at).forEach(addMessage));
    const rest = early.filter((message) => !isSaid(message));
    early = undefined;
    rest.forEach((message) => received[message.type]?.(message));
    if (wantedName !== "") socket.send({ type: "name", name: wantedName });
    else if (!isBack) askForName();
  },

  you({ person }) {
    if (person.name !== wantedName) {
      showNote(`“${wantedName}” is taken, so you are “${person.name}”.`);
    }
    const before = people.get(person.id);
    me = person;
    myIds.add(person.id);
    people.set(person.id, person);
    if (before === undefined) log.addNotice("You joined as ", person);
    else if (before.name !== person.name) log.addNotice("You are ", person, " now");
    $("me").textContent = person.name;
    remember(wantedName);
    showForm("message-form");
    showPeople();
  },

  joined({ person }) {
    const isNews = !people.has(person.id);
    people.set(person.id, person);
    showPeople();
    if (isNews) {
      log.addNotice(person, isElsewhere(person) ? ` joined on ${person.server.name}` : " joined");
    }
  },

  renamed({ person }) {
    const before = people.get(person.id);
    people.set(person.id, person);
    showPeople();
    if (before !== undefined && before.name !== person.name) {
      log.addNotice(before, " is ", person, " now");
    }
  },

  left({ person }) {
    const isNews = people.delete(person.id);
    showPeople();
    if (isNews) log.addNotice(person, " left");
  },

  message({ message }) {
    if (seen.has(message.id)) return;
    if (myIds.has(message.from.id)) unconfirmed.shift();
    addMessage(message);
    if (document.hidden) showUnread(unread + 1);
  },

  rooms({ rooms }) {
    showRooms(rooms);
  },

  figures(values) {
    for (const [name, figure] of Object.entries(figures)) figure.push(values[name]);
  },

  problem({ about, text }) {
    showProblem(text);
    if (about === "text") restoreText(unconfirmed.shift() ?? "");
    if (about === "name") {
      wantedName = me?.name ?? "";
      askForName();
      $("name").ariaInvalid = "true";
    }
  },
};

function addMessage(message) {
  if (seen.has(message.id)) return;
  seen.add(message.id);
  if (seen.size > MAX_SEEN) seen.delete(seen.values().next().value);
  $("empty").hidden = true;
  const { from } = message;
  log.addMessage(message, myIds.has(from.id), isElsewhere(from) ? from.server.name : "");
}

/** Whether a person is connected to another server than this page. */
function isElsewhere(person) {
  return person.server.id !== server.id;
}

// ---- From the person ----

$("name-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = $("name").value.trim().replace(/\s+/g, " ").normalize();
  hideProblem();
  if (name === "") {
    $("name").ariaInvalid = "true";
    $("name").focus();
    showProblem("Choose a name first.");
  } else if (!socket.send({ type: "name", name })) {
    showProblem("You can join as soon as the connection is back.");
  } else {
    wantedName = name;
    $("message").focus();
  }
});

$("name-cancel").addEventListener("click", () => {
  hideProblem();
  showForm("message-form");
  $("message").focus();
});

$("rename").addEventListener("click", () => {
  $("name").value = wantedName;
  askForName();
  $("name").select();
});

$("message-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("message").value.trim();
  hideProblem();
  $("message").focus();
  if (text === "") return;
  if (me === undefined || !socket.send({ type: "say", text })) {
    showProblem("There is no connection. Your message stays here until it is back.");
    return;
  }
  unconfirmed.push(text);
  $("message").value = "";
  showCharactersLeft();
});

$("message").addEventListener("keydown", (event) => {
  // While an input method composes a word, Enter accepts the word.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $("message-form").requestSubmit();
});

$("room-form").addEventListener("submit", (event) => {
  event.preventDefault();
  // The server normalizes the name.
  if ($("room-name").value.trim() !== "") location.href = hrefOf($("room-name").value);
  else $("room-name").focus();
});

$("message").addEventListener("input", showCharactersLeft);
$("name").addEventListener("input", () => $("name").ariaInvalid = null);
$("retry").addEventListener("click", () => socket.retryNow());

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) showUnread(0);
});

// ---- On the page ----

function setState(state, text) {
  $("state").dataset.state = state;
  $("state").textContent = text;
}

function showPeople() {
  // This page's own person first.
  const rank = ({ id }) => id === me?.id ? 0 : 1;
  const sorted = [...people.values()].sort((a, b) =>
    rank(a) - rank(b) || a.name.localeCompare(b.name)
  );
  $("people").replaceChildren(...sorted.map((person) => {
    const item = element("li", "");
    item.append(avatarOf(person), nameOf(person));
    if (person.id === me?.id) item.append(element("span", "you", "you"));
    if (isElsewhere(person)) item.append(element("span", "place", person.server.name));
    return item;
  }));
  const servers = new Set([...people.values()].map((person) => person.server.id)).add(server.id);
  $("server-count").textContent = `on ${servers.size} servers`;
  $("server-count").hidden = servers.size === 1;
  $("people").hidden = people.size === 0;
  $("people-none").hidden = people.size > 0;
  $("people-count").textContent = people.size;
}

function showRoom(name) {
  $("room").textContent = name;
  // The address may have another spelling.
  if (new URLSearchParams(location.search).get("room") !== name) {
    history.replaceState(null, "", hrefOf(name));
  }
  room = name;
  showUnread(unread);
}

function showRooms(rooms) {
  const others = rooms.filter(({ name }) => name !== room);
  const here = rooms.find(({ name }) => name === room) ?? { name: room, people: 0 };
  $("rooms").replaceChildren(...[here, ...others].map(({ name, people }) => {
    const link = element("a", "");
    link.href = hrefOf(name);
    if (name === room) link.ariaCurrent = "page";
    link.append(element("bdi", "", name), element("span", "count", String(people)));
    link.lastChild.title = people === 1 ? "1 person is here" : `${people} people are here`;
    const item = element("li", "");
    item.append(link);
    return item;
  }));
}

function hrefOf(room) {
  return `?${new URLSearchParams({ room })}`;
}

function askForName() {
  const isRename = me !== undefined;
  $("name-label").textContent = isRename ? "Your new name" : "Choose a name to join in";
  $("name-submit").textContent = isRename ? "Change" : "Join";
  $("name-cancel").hidden = !isRename;
  if ($("name").value === "") $("name").value = recall("localStorage");
  showForm("name-form");
  // On a phone, the keyboard would cover the page at once.
  if (isRename || matchMedia("(pointer: fine)").matches) $("name").focus();
}

function showForm(id) {
  // Moves the focus from one form to the other, unless it is elsewhere.
  const hadFocus = document.activeElement?.closest("form") !== null;
  for (const form of ["name-form", "message-form"]) $(form).hidden = form !== id;
  if (hadFocus && id === "message-form") $("message").focus();
}

function showProblem(text, kind = "problem") {
  $("problem").dataset.kind = kind;
  $("problem").textContent = text;
  $("problem").hidden = false;
}

function showNote(text) {
  showProblem(text, "note");
}

function hideProblem() {
  $("problem").hidden = true;
  $("problem").textContent = "";
}

/** Restores a text that was not sent, before the text typed since. */
function restoreText(text) {
  $("message").value = [text, $("message").value].filter((part) => part !== "").join("\n");
  showCharactersLeft();
}

function showCharactersLeft() {
  const left = $("message").maxLength - $("message").value.length;
  const isClose = left <= 100;
  $("message-left").hidden = !isClose;
  $("message-hint").hidden = isClose;
  $("message-left").textContent = left === 1 ? "1 character left" : `${left} characters left`;
}

function showCountdown(delayMs) {
  const end = performance.now() + delayMs;
  const show = () => {
    const seconds = Math.ceil((end - performance.now()) / 1000);
    $("offline-countdown").textContent = seconds > 0 ? `Next try in ${seconds} s.` : "";
  };
  clearInterval(countdown);
  countdown = setInterval(show, 250);
  show();
}

function showUnread(count) {
  unread = count;
  document.title = `${count === 0 ? "" : `(${count}) `}${room} · Sluice chat`;
}

// ---- The name is remembered: for this tab, and as a suggestion for the next ----

function remember(name) {
  try {
    sessionStorage.setItem(NAME_KEY, name);
    localStorage.setItem(NAME_KEY, name);
  } catch {
    // Storage is disabled in the browser: the name lasts as long as the page.
  }
}

function recall(storage) {
  try {
    return globalThis[storage].getItem(NAME_KEY) ?? "";
  } catch {
    return "";
  }
}
