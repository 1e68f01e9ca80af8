import type { Sendable } from "../../connection/connection.ts";
import type { Subscriber } from "../fan_out/subscriber.ts";
import { callHook, refusePromise } from "../../hooks.ts";
import { assertMessage } from "../../protocol/protocol.ts";
import { decodeInfo, type PresenceClaim } from "./claim.ts";
import type { PresenceGroup, TellChanges } from "./group.ts";
import type { PresenceSettings, PresentMember } from "./options.ts";
import { PresenceRoom, type RoomChange } from "./room.ts";
import type { TopicsPresence } from "../fan_out/topics.ts";

/** Sends a notice to those who watch a topic. */
export type SendNotice = (
  topic: string,
  data: Sendable,
  key: string,
  except: Subscriber | undefined,
  audience: ReadonlySet<Subscriber>,
) => void;

/** Who is in the topics that are watched on this server, and what those who watch are told of it. */
export class Presence implements TopicsPresence {
  readonly #settings: PresenceSettings;
  readonly #sendNotice: SendNotice;
  readonly #onError: (error: unknown) => void;
  readonly #rooms: Map<string, PresenceRoom> = new Map();
  readonly #id: string = crypto.randomUUID().replaceAll("-", "");
  #group: PresenceGroup | undefined;
  #lastStamp = 0;

  /** @param onError Takes what the program's code throws. */
  constructor(
    settings: PresenceSettings,
    sendNotice: SendNotice,
    onError: (error: unknown) => void,
  ) {
    this.#settings = settings;
    this.#sendNotice = sendNotice;
    this.#onError = onError;
  }

  /**
   * Has other servers take part.
   *
   * @param createGroup Creates the group of servers, given the id of this one.
   */
  connect(createGroup: (id: string, tell: TellChanges) => PresenceGroup): PresenceGroup {
    const tell: TellChanges = (room, changes, isNews) => {
      // Who was there before this server watched is no news, unless something else was told of them.
      this.#tell(
        room,
        isNews ? changes : changes.filter(({ type, key }) => type !== "join" || room.told.has(key)),
      );
    };
    return this.#group = createGroup(this.#id, tell);
  }

  checkTopic(topic: string): void {
    this.#group?.checkTopic(topic);
  }

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
    if (group === undefined || (room !== undefined && group.isSettled(room))) {
      return room?.list() ?? [];
    }
    return (await group.query(topic)).list();
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

  /** Sends the notices of changes to all who watch, except the one whose doing they are. */
  #tell(room: PresenceRoom, changes: readonly RoomChange[], except?: Subscriber): void {
    const { notice } = this.#settings;
    const { topic, watchers } = room;
    if (this.#group?.isSettled(room) === false) {
      for (const { key } of changes) {
        room.told.add(key);
      }
    } else room.told.clear();
    for (const { type, key, info } of notice === undefined ? [] : changes) {
      if (watchers.size === (except !== undefined && watchers.has(except) ? 1 : 0)) return;
      callHook(() => {
        const data = notice!({ type, topic, key, info: decodeInfo(info) });
        refusePromise("presence.notice", data, this.#onError);
        if (data === undefined) return;
        assertMessage(data);
        this.#sendNotice(topic, data, key, except, watchers);
      }, this.#onError);
    }
  }
}
