import type { Broker, BrokerEvent } from "../../mod.ts";
import { natsBroker } from "../../src/brokers/nats.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import type { Flags } from "./flags.ts";

/** Creates the broker of one server, from the command line: each server needs its own. */
export function createBroker({ kind, address }: NonNullable<Flags["broker"]>): Broker {
  return kind === "redis" ? redisBroker({ url: address }) : natsBroker({ servers: address });
}

/** Describes an event of a server's broker, for the terminal. */
export function describeEvent(
  { kind, address }: NonNullable<Flags["broker"]>,
  event: BrokerEvent,
): string {
  const [name, command] = kind === "redis" ? ["Redis", "redis-server"] : ["NATS", "nats-server"];
  // Without the password that the address may have.
  const where = `${name} at ${address.replace(/\/\/[^@/]*@/, "//")}`;
  switch (event.status) {
    case "connected":
    case "reconnected":
      return `${event.status} to ${where}: rooms are shared with all servers there`;
    case "lost":
      return `cannot reach ${where} (${describeError(event.error)}): until it can, its rooms are ` +
        `its own. Does ${command} run?`;
    case "error":
      return `an error of ${where}: ${describeError(event.error)}`;
    case "dropped":
      return `${event.messages} messages did not reach other servers`;
    case "malformed":
      return `${event.messages} messages in ${event.topic} are not from a server like this one`;
  }
}

function describeError(error: unknown): string {
  // If several addresses were tried, each has its own error, and the common one has no message.
  const first = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error ? first.message.split("\n")[0] : String(first);
}
