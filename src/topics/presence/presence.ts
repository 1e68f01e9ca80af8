import type { Subscriber } from "../fan_out/subscriber.ts";
import { callHook, refusePromise } from "../../hooks.ts";
import { assertMessage } from "../../protocol/protocol.ts";
import type { FanOut } from "../fan_out/fan_out.ts";
import { decodeInfo, type PresenceClaim } from "./claim.ts";
import type { PresenceGroup, TellChanges } from "./group.ts";
import type { PresenceSettings, PresentMember } from "./options.ts";
import { PresenceRoom, type RoomChange } from "./room.ts";

/** The members of topics that subscribers of this server watch, and the notices that those get. */
export class Presence {
  readonly #settings: PresenceSettings;
  readonly #fanOut: FanOut;
  readonly #onError: (error: unknown) => void;
  readonly #rooms: Map<string, PresenceRoom> = new Map();
  readonly #id: string = crypto.randomUUID().replaceAll("-", "");
  #group: PresenceGroup | undefined;
  #lastStamp = 0;

  /** @param onError Takes what the program's code throws. */
  constructor(
    settings: PresenceSettings,
    fanOut: FanOut,
    onError: (error: unknown) => void,
  ) {
    this.#settings = settings;
    this.#fanOut = fanOut;
    this.#onError = onError;
  }

  /**
   * Shares presence with other servers.
   *
   * @param createGroup Creates the group of servers, given the id of this one.
   */
  connect(
    createGroup: (id: string, ttlMs: number, tell: TellChanges) => PresenceGroup,
  ): PresenceGroup {
    const tell: TellChanges = (room, changes, isNews) => {
      // A join from before this server watched is no news, unless the program was told something of the member.
      this.#tell(
        room,
        isNews ? changes : changes.filter(({ type, key }) => type !== "join" || room.told.has(key)),
      );
    };
    return this.#group = createGroup(this.#id, this.#settings.ttlMs, tell);
  }

  /**
   * Checks a topic that is to be watched.
   *
   * @throws {RangeError} If it is too long for the broker.
   * @throws {TypeError} If it can't be used with a broker.
   */
  checkTopic(topic: string): void {
    this.#group?.checkTopic(topic);
  }

  /** Takes a subscription that has come (`before` is undefined), has gone (`after` is), or changed. */
  change(
    topic: string,
    subscriber: Subscriber,
    before: PresenceClaim | undefined,
    after: PresenceClaim | undefined,
  ): void {
    const room = this.#rooms.get(topic) ?? this.#addRoom(topic);
    const changes: (RoomChange | undefined)[] = [];
    if (before?.key !== undefined && before.key !== after?.key) {
      changes.push(room.exit(this.#id, subscriber, before.key));
      this.#group?.change(room, before.key);
    }
    if (after?.key !== undefined) {
      const stamp = this.#group?.nextVersion() ?? ++this.#lastStamp;
      changes.push(room.enter(this.#id, subscriber, after.key, after.info, stamp));
      this.#group?.change(room, after.key);
    }
    if (after === undefined) room.watchers.delete(subscriber);
    else room.watchers.add(subscriber);
    if (room.watchers.size === 0) this.#deleteRoom(room);
    this.#tell(room, changes.filter((change) => change !== undefined), subscriber);
  }

  /** Lists who is in a topic, on all servers. */
  async list(topic: string): Promise<PresentMember[]> {
    this.checkTopic(topic);
    const room = this.#rooms.get(topic);
    const group = this.#group;
    if (group === undefined || (room !== undefined && group.isKnown(room))) {
      return room?.list() ?? [];
    }
    return (await group.lookUp(topic)).list();
  }

  #addRoom(topic: string): PresenceRoom {
    const room = new PresenceRoom(topic);
    this.#rooms.set(topic, room);
    this.#group?.addRoom(room);
    return room;
  }

  #deleteRoom(room: PresenceRoom): void {
    this.#rooms.delete(room.topic);
    this.#group?.deleteRoom(room);
  }

  /** Sends the notices of changes to all subscribers that watch, except the one that made them. */
  #tell(room: PresenceRoom, changes: readonly RoomChange[], except?: Subscriber): void {
    const { notice } = this.#settings;
    const { topic, watchers } = room;
    if (this.#group?.isKnown(room) === false) {
      for (const { key } of changes) room.told.add(key);
    } else room.told.clear();
    for (const { type, key, info } of notice === undefined ? [] : changes) {
      if (watchers.size === (except !== undefined && watchers.has(except) ? 1 : 0)) return;
      callHook(() => {
        const data = notice!({ type, topic, key, info: decodeInfo(info) });
        refusePromise("presence.notice", data, this.#onError);
        if (data === undefined) return;
        assertMessage(data);
        this.#fanOut.publish({ topic, data, key, except, audience: watchers });
      }, this.#onError);
    }
  }
}
