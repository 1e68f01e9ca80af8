/** How many entries stay in the page. */
const MAX_ENTRIES = 200;

/** Messages of one person within this time are grouped, in milliseconds. */
const TOGETHER_MS = 3 * 60_000;

/** Within this distance from the end, the list scrolls with new entries, in pixels. */
const NEAR_END = 80;

const timeFormat = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dateFormat = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });

/**
 * The list of messages and notices. Everything that people wrote gets into the page as text
 * (`textContent`), never as HTML.
 */
export class Log {
  #list;
  #toLatest;
  #last;

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} toLatest The button that leads back to the end.
   */
  constructor(list, toLatest) {
    this.#list = list;
    this.#toLatest = toLatest;
    toLatest.addEventListener("click", () => {
      this.scrollToEnd();
      list.focus();
    });
    list.addEventListener("scroll", () => {
      if (this.#isNearEnd()) toLatest.hidden = true;
    }, { passive: true });
    // A keyboard that opens, or a line that wraps, must not push the last message out of sight.
    let wasNearEnd = true;
    list.addEventListener("scroll", () => wasNearEnd = this.#isNearEnd(), { passive: true });
    new ResizeObserver(() => {
      if (wasNearEnd) this.scrollToEnd();
    }).observe(list);
  }

  /**
   * Adds a message.
   *
   * @param {string} place The person's server, if it is not this one.
   */
  addMessage({ from, text, at }, isMine, place = "") {
    const date = new Date(at);
    const isTogether = this.#last?.name === from.name && this.#last.isMine === isMine &&
      at - this.#last.at < TOGETHER_MS;
    const time = element("time", "", timeFormat.format(date));
    time.dateTime = date.toISOString();
    time.title = dateFormat.format(date);
    const by = element("p", "by");
    by.append(isMine ? element("span", "author", "You") : nameOf(from));
    if (place !== "") by.append(element("span", "place", place));
    by.append(time);
    const body = element("p", "text", text);
    body.dir = "auto";
    const bubble = element("div", "bubble");
    bubble.append(by, body);
    const entry = element("li", "message");
    entry.classList.toggle("mine", isMine);
    entry.classList.toggle("together", isTogether);
    entry.append(avatarOf(from), bubble);
    this.#last = { name: from.name, isMine, at };
    this.#add(entry, isMine);
  }

  /** Adds a notice, of strings and people, whose names are emphasized. */
  addNotice(...parts) {
    const notice = element("p", "");
    notice.append(...parts.map((part) => typeof part === "string" ? part : nameOf(part)));
    const entry = element("li", "notice");
    entry.append(notice);
    this.#last = undefined;
    this.#add(entry, false);
  }

  /** Adds many entries at once, without having screen readers read them one by one. */
  addMany(add) {
    this.#list.ariaBusy = "true";
    add();
    this.#list.ariaBusy = "false";
    this.scrollToEnd();
  }

  scrollToEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#toLatest.hidden = true;
  }

  #add(entry, isMine) {
    const follows = isMine || this.#isNearEnd();
    this.#list.append(entry);
    while (this.#list.childElementCount > MAX_ENTRIES) this.#list.firstElementChild.remove();
    if (follows) this.scrollToEnd();
    else this.#toLatest.hidden = false;
  }

  #isNearEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.#list;
    return scrollHeight - scrollTop - clientHeight < NEAR_END;
  }
}

/** A person's name, in the person's color; `bdi` keeps a name from turning the line around. */
export function nameOf({ name }) {
  const bdi = element("bdi", "author", name);
  bdi.style.setProperty("--hue", hueOf(name));
  return bdi;
}

/** The first letter of a person's name, in a circle. */
export function avatarOf({ name }) {
  const [first] = new Intl.Segmenter().segment(name);
  const avatar = element("span", "avatar", first?.segment.toUpperCase() ?? "");
  avatar.ariaHidden = "true";
  avatar.style.setProperty("--hue", hueOf(name));
  return avatar;
}

/** Creates an element with text in it. */
export function element(tag, className, text = "") {
  const created = document.createElement(tag);
  if (className !== "") created.className = className;
  created.textContent = text;
  return created;
}

/** The same name has the same color, on every page. */
function hueOf(name) {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 36_000;
  // The golden angle: names that differ a little differ a lot in color.
  return String(Math.round((hash * 137.508) % 360));
}
