import type { Subscriber } from "../fan_out/subscriber.ts";
import { refusePromise } from "../../hook_answers.ts";
import { callHook } from "../../hooks.ts";
import { assertMessage } from "../../protocol/protocol.ts";
import type { FanOut } from "../fan_out/fan_out.ts";
import { decodeInfo, type PresenceClaim } from "./claim.ts";
import type { PresenceGroup } from "./group.ts";
import type { PresenceSettings, PresentMember } from "./options.ts";
import { PresenceRoom, type RoomChange } from "./room.ts";
import type { TopicsSettings } from "../topics.ts";

/** The members of the topics that subscribers of this server watch, and the notices that those subscribers get. */
export class Presence {
  readonly settings: PresenceSettings;
  readonly #fanOut: FanOut;
  readonly #onError: (error: unknown) => void;
  readonly #rooms: Map<string, PresenceRoom> = new Map();
  /** Identifies this server among those that share presence. */
  readonly id: string = crypto.randomUUID().replaceAll("-", "");
  /** The servers that share presence, if there is a broker. */
  group: PresenceGroup | undefined;
  #lastStamp = 0;

  constructor(settings: TopicsSettings, fanOut: FanOut) {
    this.settings = settings.presence;
    this.#fanOut = fanOut;
    this.#onError = (error) => settings.onError(error);
  }

  /**
   * Takes changes of the members of other servers.
   *
   * @param isNews Whether they happened just now. If not, members may have joined before this server watched: no
   * notice is sent of that, unless the program got another notice of the member.
   */
  receiveChanges(room: PresenceRoom, changes: readonly RoomChange[], isNews: boolean): void {
    const isTold = ({ type, key }: RoomChange) => isNews || type !== "join" || room.told.has(key);
    this.#notify(room, changes.filter(isTold));
  }

  checkTopic(topic: string): void {
    this.group?.checkTopic(topic);
  }

  /** Takes the part in presence of a subscription that has begun (`before` is undefined), ended, or changed. */
  change(
    topic: string,
    subscriber: Subscriber,
    before: PresenceClaim | undefined,
    after: PresenceClaim | undefined,
  ): void {
    const room = this.#rooms.get(topic) ?? this.#addRoom(topic);
    const changes: RoomChange[] = [];
    if (before?.key !== undefined && before.key !== after?.key) {
      changes.push(...room.exit(this.id, subscriber, before.key));
      this.group?.sender.change(topic, before.key);
    }
    if (after?.key !== undefined) {
      const stamp = this.group?.nextVersion() ?? ++this.#lastStamp;
      const share = { info: after.info, stamp };
      changes.push(...room.enter(this.id, subscriber, after.key, share));
      this.group?.sender.change(topic, after.key);
    }
    if (after === undefined) room.watchers.delete(subscriber);
    else room.watchers.add(subscriber);
    if (room.watchers.size === 0) {
      this.#rooms.delete(topic);
      this.group?.deleteRoom(room);
    }
    this.#notify(room, changes, subscriber);
  }

  async list(topic: string): Promise<PresentMember[]> {
    this.checkTopic(topic);
    const room = this.#rooms.get(topic);
    const isKnown = room !== undefined && (this.group?.isKnown(room) ?? true);
    const found = isKnown ? room : await this.group?.lookUp(topic);
    return found?.list() ?? [];
  }

  #addRoom(topic: string): PresenceRoom {
    const room = new PresenceRoom(topic);
    this.#rooms.set(topic, room);
    this.group?.addRoom(room);
    return room;
  }

  /** Sends the notices of changes to all subscribers that watch, except the one that made the changes. */
  #notify(room: PresenceRoom, changes: readonly RoomChange[], except?: Subscriber): void {
    const { notice } = this.settings;
    const { topic, watchers } = room;
    if (this.group?.isKnown(room) ?? true) room.told.clear();
    else for (const { key } of changes) room.told.add(key);
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
