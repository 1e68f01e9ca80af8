/**
 * What holds for clients that resume, with every broker that keeps messages, tried with real ones.
 *
 * @module
 */

import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { type BrokerEvent, type Connection, serve, type Server } from "../../mod.ts";
import { connect } from "../../src/runtimes/shared/client.ts";
import { TestProcess } from "../support/child_process.ts";
import { Waiter } from "../support/waiter.ts";
import type { Kind, RealBroker } from "./real_broker.ts";
import { ResumingClient } from "./resuming_client.ts";
import { ROOM } from "./room.ts";
import { onThreeRuntimes } from "../support/installed_runtimes.ts";

/** A server, and what it was told of its broker. */
interface Host {
  readonly server: Server;
  readonly port: number;
  readonly events: BrokerEvent[];
  untilTold(status: BrokerEvent["status"], count?: number): Promise<void>;
}

async function startHost(real: RealBroker): Promise<Host> {
  const events: BrokerEvent[] = [];
  const waiter = new Waiter();
  const server = await serve({
    port: 0,
    hostname: "127.0.0.1",
    broker: real.createBroker(),
    resume: true,
    onEvent: (event) => {
      if (event.type === "broker") events.push(event);
      waiter.wake();
    },
    open: (conn) => void conn.subscribe(ROOM),
  });
  assert(server.addr.transport === "tcp");
  return {
    server,
    port: server.addr.port,
    events,
    untilTold: (status, count = 1) =>
      waiter.until(
        status,
        () => events.filter((event) => event.status === status).length >= count,
      ),
  };
}

/** Runs two servers and three clients for as long as `body` takes. */
async function withHosts(
  real: RealBroker,
  body: (hosts: Host[], clients: ResumingClient[]) => Promise<void>,
): Promise<void> {
  const hosts = await Promise.all([startHost(real), startHost(real)]);
  const clients: ResumingClient[] = [];
  try {
    for (const host of hosts) await host.untilTold("connected");
    const ports = hosts.map(({ port }) => port);
    for (const first of [0, 1, 1]) clients.push(await ResumingClient.start(ports, first));
    await untilAllHere(hosts, clients);
    await body(hosts, clients);
  } finally {
    for (const client of clients) await client.end();
    for (const { server } of hosts) await server.shutdown();
  }
}

/** Waits until all clients get what is published, on each server. */
async function untilAllHere(hosts: Host[], clients: ResumingClient[]): Promise<void> {
  // Nobody can ask when the first subscription has taken effect: messages are sent until they come.
  for (const [index, { server }] of hosts.entries()) {
    const text = `here ${index}`;
    const timer = setInterval(() => server.publish(ROOM, text), 20);
    for (const client of clients) {
      await client.until(text, () => client.received.includes(text));
    }
    clearInterval(timer);
  }
}

/** The texts with a name, in the order that a client got them. */
function textsOf(client: ResumingClient, name: string | number): string[] {
  return client.received.filter((text) => text.startsWith(`${name} `));
}

function range(name: string | number, count: number): string[] {
  return Array.from({ length: count }, (_, number) => `${name} ${number}`);
}

function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** Checks that all clients have so many messages of each server, in one order. */
async function assertAllReceived(clients: ResumingClient[], count: number): Promise<void> {
  for (const client of clients) {
    await client.until(
      "the last messages",
      () => [0, 1].every((name) => client.received.includes(`${name} ${count - 1}`)),
    );
  }
  const [first] = clients;
  const own = (client: ResumingClient) => client.received.filter((text) => /^\d/.test(text));
  for (const client of clients) {
    for (const name of [0, 1]) assertEquals(textsOf(client, name), range(name, count));
    assertEquals(own(client), own(first), "the order is the same for all");
    assertEquals(client.lost, []);
  }
}

/** Tries a kind of broker. */
export function tryResuming(kind: Kind): void {
  const { skip } = kind;
  const real = kind.create();

  describe(`clients that resume with ${kind.name}`, () => {
    before(() => skip === false ? real.start() : undefined);
    after(() => real.end());

    it(
      "get all messages once, in one order, while they go from server to server",
      { skip },
      () =>
        withHosts(real, async (hosts, clients) => {
          const COUNT = 150;
          for (let i = 0; i < COUNT; i++) {
            for (const [name, { server }] of hosts.entries()) server.publish(ROOM, `${name} ${i}`);
            if (i % 10 === 5) clients[(i / 5 | 0) % 3].conn?.abort();
            if (i % 5 === 0) await breathe();
          }
          await assertAllReceived(clients, COUNT);
          assert(clients.every(({ connectedCount }) => connectedCount > 2));
        }),
    );

    it(
      "lose nothing while the broker is killed and started again",
      { skip },
      () =>
        withHosts(real, async (hosts, clients) => {
          let next = 0;
          const publish = async (count: number) => {
            for (let i = 0; i < count; i++, next++) {
              for (const [name, { server }] of hosts.entries()) {
                server.publish(ROOM, `${name} ${next}`);
              }
              if (i % 10 === 0) await breathe();
            }
          };
          await publish(100);
          await real.kill();
          await publish(50);
          for (const host of hosts) await host.untilTold("lost");
          for (const client of clients) client.conn?.abort();
          await publish(50);
          await real.start();
          await publish(50);
          for (const host of hosts) await host.untilTold("reconnected");
          await publish(50);
          await assertAllReceived(clients, next);
          for (const { server } of hosts) assertEquals(server.stats().broker?.dropped, 0);
        }),
    );

    if (!kind.hasProcesses) return;

    it("get all messages of three runtimes, also when a server is killed", { skip }, async () => {
      const url = new URL("room_process.ts", import.meta.url);
      const processes = onThreeRuntimes(url).map((module) =>
        new TestProcess(module, real.word, `${real.port}`, "resume")
      );
      const clients: ResumingClient[] = [];
      const senders: Connection[] = [];
      try {
        const ports: number[] = [];
        for (const child of processes) {
          ports.push(Number((await child.untilPrinted(/^port (\d+)/m))[1]));
        }
        for (const [name, port] of ports.entries()) {
          senders.push(await connect(`ws://127.0.0.1:${port}/`));
          clients.push(await ResumingClient.start(ports, name));
        }
        const say = async (text: string, sender: number) => await senders[sender].send(text);
        for (const [name, client] of clients.entries()) {
          const timer = setInterval(() => void say(`here ${name}`, name), 20);
          await Promise.all(
            clients.map((each) =>
              each.until(`here ${name}`, () => each.received.includes(`here ${name}`))
            ),
          );
          clearInterval(timer);
          assert(client.conn !== undefined);
        }
        const COUNT = 100;
        for (let i = 0; i < COUNT; i++) {
          for (const name of [0, 1]) await say(`${name} ${i}`, name);
          if (i === 50) processes[2].kill();
        }
        await assertAllReceived(clients, COUNT);
        assert(clients[2].connectedCount > 1);
      } finally {
        for (const sender of senders) sender.abort();
        for (const client of clients) await client.end();
        for (const child of processes) child.kill();
      }
    });
  });
}
