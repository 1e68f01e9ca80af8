/** Where those are who name no room. */
const FIRST_ROOM = "lobby";

/** The longest name of a room, in characters. */
const MAX_LENGTH = 24;

/** Makes a room's name of what stands in an address: "Tea & Talk" is the room "tea-talk". */
export function parseRoom(input: string | null): string {
  const words = (input ?? "").toWellFormed().normalize("NFKC").toLowerCase()
    .match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  const name = [...words.join("-")].slice(0, MAX_LENGTH).join("").replace(/-$/, "");
  return name === "" ? FIRST_ROOM : name;
}

/** The topic of a room: whoever is in it is subscribed to it. */
export function topicOf(room: string): string {
  return `room:${room}`;
}

/** The topic of all rooms. Nothing is published to it: those who are present in it are the rooms. */
export const ROOMS_TOPIC = "rooms";
