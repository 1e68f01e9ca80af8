/** The room of people who name none. */
const FIRST_ROOM = "lobby";

/** The longest name of a room, in characters. */
const MAX_LENGTH = 24;

/** Converts text from an address to the name of a room: "Tea & Talk" is the room "tea-talk". */
export function parseRoom(input: string | null): string {
  const words = (input ?? "").toWellFormed().normalize("NFKC").toLowerCase()
    .match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  const name = [...words.join("-")].slice(0, MAX_LENGTH).join("").replace(/-$/, "");
  return name === "" ? FIRST_ROOM : name;
}

/** The topic of a room, to which everyone in it is subscribed. */
export function topicOf(room: string): string {
  return `room:${room}`;
}

/** The topic of all rooms. Nothing is published to it: its members are the rooms. */
export const ROOMS_TOPIC = "rooms";
