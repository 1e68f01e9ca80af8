import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { connect, createServer, type Server, type Socket } from "node:net";
import { after, before, describe, it } from "node:test";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { loadDialer, loadListen } from "../../src/runtimes/shared/runtime.ts";
import type { ByteChannel, TlsClientOptions } from "../../src/transport/byte_channel.ts";
import { ConnectError } from "../../src/errors.ts";
import { skipUnless } from "../support/skip.ts";
import { canCount, countSettledSockets, untilSockets } from "./descriptors.ts";
import { unexpected } from "./dialled.ts";
import { Recorder } from "./recorder.ts";
import { loopback, otherKey } from "./server.ts";
import { certificate, readTls } from "../support/tls.ts";

const { dial, startTls } = await loadDialer();
const { signal } = new AbortController();
const isDeno = "Deno" in globalThis;

const ca = readTls("ca.pem");
const issued = { cert: readTls("issued.pem"), key: readTls("issued_key.pem") };
const client = { cert: readTls("client.pem"), key: readTls("client_key.pem") };

const failed = "Cannot begin TLS with localhost: the TLS handshake failed";
const alertOf = (name: string) => `the server sent the alert "${name}"`;
const certificateRequired = `${alertOf("certificate required")}: it asks for a client certificate`;

/** Collects the text that a channel brings, up to its end, and ends it then. */
class TextReader {
  text = "";
  readonly #end = Promise.withResolvers<void>();
  #channel: ByteChannel | undefined;

  receive(bytes: Uint8Array): void {
    this.text += new TextDecoder().decode(bytes);
  }

  receiveEnd(): void {
    this.#channel?.end();
  }

  drain(): void {}

  receiveClosed(error?: unknown): void {
    if (error === undefined) this.#end.resolve();
    else this.#end.reject(error);
  }

  async read(channel: ByteChannel): Promise<string> {
    this.#channel = channel;
    await this.#end.promise;
    return this.text;
  }
}

const servers: Server[] = [];

async function open(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as { port: number }).port;
}

/** Serves what it learned of its client. */
function openTls(options: TlsOptions): Promise<number> {
  const server = createTlsServer({ ALPNProtocols: ["h2", "http/1.1"], ...options }, (socket) => {
    socket.on("error", () => {});
    const { servername, authorized, alpnProtocol } = socket as typeof socket & {
      servername: string | false | null;
    };
    const isClient = options.requestCert === true && authorized;
    socket.resume().end(`${servername || "no name"}, ${alpnProtocol}${isClient ? ", client" : ""}`);
  });
  server.on("tlsClientError", () => {});
  return open(server);
}

/** Serves whatever `onHello` does once a client began its handshake. */
function openPlain(onHello: (socket: Socket) => void): Promise<number> {
  return open(createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.once("data", () => onHello(socket));
  }));
}

function dialPort(port: number): Promise<ByteChannel> {
  return dial({ hostname: "127.0.0.1", port }, unexpected, signal);
}

/** Begins TLS with a server, and reads what it says. */
async function readFrom(port: number, hostname: string, tls: TlsClientOptions): Promise<string> {
  const reader = new TextReader();
  return await reader.read(await startTls(await dialPort(port), hostname, tls, reader, signal));
}

async function refuse(
  port: number,
  hostname: string,
  tls: TlsClientOptions,
  code: string,
  message: string,
): Promise<void> {
  const channel = await dialPort(port);
  const error = await assertRejects(
    () => startTls(channel, hostname, tls, unexpected, signal),
    ConnectError,
  );
  assertEquals([error.code, error.message], [code, message]);
}

describe("startTls()", () => {
  let self: number;
  let ofAuthority: number;
  before(async () => {
    self = await openTls(certificate);
    ofAuthority = await openTls(issued);
  });
  after(() => {
    for (const server of servers) server.close();
  });

  it("trusts the certificates it is given", async () => {
    const trusted = certificate.cert;
    assertEquals(await readFrom(self, "localhost", { ca: trusted }), "localhost, http/1.1");
    for (const both of [[trusted, ca], [ca], ca, trusted + ca]) {
      assertEquals(await readFrom(ofAuthority, "localhost", { ca: both }), "localhost, http/1.1");
    }
  });

  it("asks for the name, without the dot at its end, and for no IP address", async () => {
    assertEquals(await readFrom(ofAuthority, "localhost.", { ca }), "localhost, http/1.1");
    for (const address of ["127.0.0.1", "::1", "0:0:0::1"]) {
      assertEquals(await readFrom(ofAuthority, address, { ca }), "no name, http/1.1");
    }
  });

  it("asks for another name where it is told to", async () => {
    for (const serverName of ["localhost", "127.0.0.1"]) {
      const name = serverName === "localhost" ? serverName : "no name";
      const text = await readFrom(ofAuthority, "example.com", { ca, serverName });
      assertEquals(text, `${name}, http/1.1`);
    }
  });

  it("refuses a certificate that is not trusted", async () => {
    const message = (reason: string) =>
      `Cannot begin TLS with localhost: its certificate ${reason}`;
    await refuse(self, "localhost", {}, "DEPTH_ZERO_SELF_SIGNED_CERT", message("is self-signed"));
    await refuse(
      self,
      "localhost",
      { ca },
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      message("is self-signed"),
    );
    for (const tls of [{}, { ca: certificate.cert }]) {
      await refuse(
        ofAuthority,
        "localhost",
        tls,
        "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        message("can't be verified"),
      );
    }
    const withChain = await openTls({ ...issued, cert: issued.cert + ca });
    await refuse(
      withChain,
      "localhost",
      {},
      "SELF_SIGNED_CERT_IN_CHAIN",
      message("was issued by an unknown authority"),
    );
  });

  it("refuses a certificate that has expired", async () => {
    const expired = await openTls({ ...issued, cert: readTls("expired.pem") });
    // Deno does not tell why.
    const [code, reason] = isDeno
      ? ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "can't be verified"]
      : ["CERT_HAS_EXPIRED", "has expired"];
    const message = `Cannot begin TLS with localhost: its certificate ${reason}`;
    await refuse(expired, "localhost", { ca }, code, message);
  });

  it("refuses a certificate for another name or address", async () => {
    for (const name of ["example.com", "127.0.0.2", "a.localhost", "::2"]) {
      await refuse(
        ofAuthority,
        name,
        { ca },
        "ERR_TLS_CERT_ALTNAME_INVALID",
        `Cannot begin TLS with ${name}: its certificate is for another name`,
      );
    }
    await refuse(
      ofAuthority,
      "localhost",
      { ca, serverName: "example.com" },
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "Cannot begin TLS with example.com: its certificate is for another name",
    );
  });

  it("takes any certificate where it is told to", async () => {
    const rejectUnauthorized = false;
    for (const name of ["localhost", "example.com"]) {
      for (const tls of [{ rejectUnauthorized }, { rejectUnauthorized, ca }]) {
        assertEquals(await readFrom(self, name, tls), `${name}, http/1.1`);
      }
    }
  });

  it("takes a server that knows no ALPN, and none that insists on another protocol", async () => {
    const { cert, key } = issued;
    const without = await openTls({ cert, key, ALPNProtocols: undefined });
    assertEquals(await readFrom(without, "localhost", { ca }), "localhost, false");
    const another = await openTls({ cert, key, ALPNProtocols: ["h2"] });
    await refuse(
      another,
      "localhost",
      { ca },
      "EPROTO",
      `${failed}: the server sent the alert "no application protocol"`,
    );
  });

  for (const maxVersion of ["TLSv1.3", "TLSv1.2"] as const) {
    it(`proves who it is, by ${maxVersion}`, async () => {
      const mutual = await openTls({ ...issued, ca, requestCert: true, maxVersion });
      const tls = { ca, ...client };
      assertEquals(await readFrom(mutual, "localhost", tls), "localhost, http/1.1, client");
    });
  }

  it("is refused where it does not prove who it is", async () => {
    const mutual = await openTls({ ...issued, ca, requestCert: true, maxVersion: "TLSv1.2" });
    await refuse(
      mutual,
      "localhost",
      { ca },
      "EPROTO",
      // A server of Deno says by TLS 1.2 what others say by TLS 1.3.
      isDeno ? `${failed}: ${certificateRequired}` : `${failed}: ${alertOf("handshake failure")}`,
    );
  });

  it("is closed where it does not prove who it is, by TLS 1.3, and told why", async () => {
    const mutual = await openTls({ ...issued, ca, requestCert: true });
    // The server finds out when its client has done its part.
    const error = await assertRejects(() => readFrom(mutual, "localhost", { ca }), ConnectError);
    assertEquals([error.code, error.message], ["EPROTO", `${failed}: ${certificateRequired}`]);
  });

  for (
    const [alert, name] of [
      [40, "handshake failure"],
      [42, "bad certificate"],
      [48, "unknown ca"],
      [70, "protocol version"],
      [112, "unrecognized name"],
      [120, "no application protocol"],
    ] as const
  ) {
    it(`is told of the alert "${name}"`, async () => {
      const port = await openPlain((socket) =>
        socket.end(Uint8Array.of(0x15, 3, 3, 0, 2, 2, alert))
      );
      await refuse(port, "localhost", { ca }, "EPROTO", `${failed}: ${alertOf(name)}`);
    });
  }

  it("refuses certificates that can't be used", async () => {
    const cases: [TlsClientOptions, string][] = [
      [{ ca: "nonsense" }, "ca is not a PEM encoded certificate"],
      [{ ca: [ca, ""] }, "ca is not a PEM encoded certificate"],
      [{ ca: ca.slice(0, 200) }, "ca is not a PEM encoded certificate"],
      [{ cert: "nonsense", key: client.key }, "cert is not a PEM encoded certificate"],
      [
        { cert: client.cert, key: "nonsense" },
        "key is not a PEM encoded, unencrypted private key",
      ],
      [
        { cert: client.cert, key: otherKey },
        "the private key belongs to another certificate",
      ],
    ];
    for (const [tls, reason] of cases) {
      await refuse(self, "localhost", tls, "EINVAL", `Cannot use the TLS certificate: ${reason}`);
    }
  });

  it("refuses options that make no sense", async () => {
    const cases: [TlsClientOptions, string][] = [
      [{ cert: client.cert }, "cert and key must be given together, or neither"],
      [{ key: client.key }, "cert and key must be given together, or neither"],
      [{ serverName: "" }, "serverName must not be empty"],
      [{ rejectUnauthorized: null as never }, "rejectUnauthorized must be a boolean, got null"],
      [{ rejectUnauthorized: 0 as never }, "rejectUnauthorized must be a boolean, got 0"],
    ];
    for (const [tls, reason] of cases) {
      const channel = await dialPort(self);
      await assertRejects(
        () => startTls(channel, "localhost", tls, unexpected, signal),
        TypeError,
        reason,
      );
    }
  });

  const reset = "Cannot begin TLS with localhost: the connection was reset";
  const noTls = `${failed}: the server does not speak TLS`;
  const answers: [name: string, (socket: Socket) => void, code: string, message: string][] = [
    ["FIN", (socket) => socket.end(), "ECONNRESET", reset],
    ["a part of a record and FIN", (socket) => socket.end("\x16\x03\x03"), "ECONNRESET", reset],
    ["a reset", (socket) => socket.resetAndDestroy(), "ECONNRESET", reset],
    ["HTTP", (socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"), "EPROTO", noTls],
    [
      "HTTP, and stays",
      (socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"),
      "EPROTO",
      noTls,
    ],
  ];
  for (const [name, onHello, code, message] of answers) {
    it(`refuses a server that answers with ${name}`, async () => {
      const port = await openPlain(onHello);
      await refuse(port, "localhost", { ca }, code, message);
    });
  }

  it("refuses a channel that is closed", async () => {
    const channel = await dialPort(self);
    const recorder = new Recorder(channel);
    recorder.abort();
    await recorder.untilClosed();
    const error = await assertRejects(
      () => startTls(channel, "localhost", { ca }, unexpected, signal),
      ConnectError,
    );
    assertEquals([error.code, error.message], ["ECONNRESET", reset]);
  });

  it("is aborted before it begins", async () => {
    const reason = new Error("enough");
    const channel = await dialPort(self);
    const error = await assertRejects(() =>
      startTls(channel, "localhost", { ca }, unexpected, AbortSignal.abort(reason))
    );
    assertStrictEquals(error, reason);
  });

  it("is aborted while the server is silent, which sees the connection close", async () => {
    const { promise, resolve } = Promise.withResolvers<Socket>();
    const port = await openPlain(resolve);
    const controller = new AbortController();
    const channel = await dialPort(port);
    const starting = startTls(channel, "localhost", { ca }, unexpected, controller.signal);
    const socket = await promise;
    const closed = new Promise((resolve) => socket.on("end", resolve).on("close", resolve));
    const reason = new Error("enough");
    controller.abort(reason);
    assertStrictEquals(await assertRejects(() => starting), reason);
    await closed;
    socket.destroy();
  });

  it("is aborted at any time, and leaves no socket", async () => {
    await readFrom(ofAuthority, "localhost", { ca });
    const before = canCount ? await countSettledSockets() : 0;
    let aborted = 0;
    const reason = new Error("enough");
    for (let turns = 0; turns < 20; turns++) {
      const channel = await dialPort(ofAuthority);
      const controller = new AbortController();
      const starting = startTls(channel, "localhost", { ca }, new TextReader(), controller.signal)
        .then((secure) => secure.abort(), (error) => {
          aborted++;
          assertStrictEquals(error, reason);
        });
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      controller.abort(reason);
      await starting;
    }
    assert(aborted > 0);
    if (canCount) await untilSockets(before);
  });

  it(
    "leaves no socket where it fails",
    { skip: skipUnless(canCount, "needs /proc to count descriptors: Linux") },
    async () => {
      const port = await openPlain((socket) => socket.write("no TLS"));
      await readFrom(ofAuthority, "localhost", { ca });
      const before = await countSettledSockets();
      for (let i = 0; i < 5; i++) {
        const attempts: [number, string, TlsClientOptions][] = [
          [ofAuthority, "localhost", {}],
          [ofAuthority, "example.com", { ca }],
          [ofAuthority, "localhost", { ca: "nonsense" }],
          [port, "localhost", { ca }],
        ];
        for (const [port, hostname, tls] of attempts) {
          const channel = await dialPort(port);
          await assertRejects(
            () => startTls(channel, hostname, tls, unexpected, signal),
            ConnectError,
          );
        }
      }
      await untilSockets(before + 5);
    },
  );

  it("begins over what is TLS already, as where a proxy is", async () => {
    const outer = await open(
      createTlsServer(certificate, (socket) => {
        socket.on("error", () => {});
        const inner = connect(ofAuthority, "127.0.0.1");
        inner.on("error", () => socket.destroy());
        socket.pipe(inner).pipe(socket);
      }),
    );
    const below = await dialPort(outer);
    const tls = { ca: certificate.cert };
    const channel = await startTls(below, "127.0.0.1", tls, unexpected, signal);
    const reader = new TextReader();
    const secure = await startTls(channel, "localhost", { ca }, reader, signal);
    assertEquals(await reader.read(secure), "localhost, http/1.1");
  });

  it("begins with a listener of the same runtime", async () => {
    const listen = await loadListen();
    const listener = await listen(loopback, certificate, (channel) => {
      channel.handler = {
        receive: (bytes) => void channel.write([bytes.slice()]),
        receiveEnd: () => channel.end(),
        drain: () => {},
        receiveClosed: () => {},
      };
    });
    assert(listener.addr.transport === "tcp");
    const below = await dialPort(listener.addr.port);
    const tls = { ca: certificate.cert };
    const channel = new Recorder(await startTls(below, "127.0.0.1", tls, unexpected, signal));
    assertEquals(channel.channel.remoteAddress, listener.addr);
    assertEquals(channel.channel.localAddress, below.localAddress);
    await channel.send(1000);
    await channel.untilReceived(1000);
    channel.end();
    await channel.untilClosed();
    channel.assertClosedInOrder();
    await listener.close();
  });
});
