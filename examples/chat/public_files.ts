import { readFile } from "node:fs/promises";

/** The files that are served, and no others. */
const FILES: ReadonlyMap<string, { name: string; type: string }> = new Map([
  ["/", { name: "index.html", type: "text/html; charset=utf-8" }],
  ["/style.css", { name: "style.css", type: "text/css; charset=utf-8" }],
  ["/icon.svg", { name: "icon.svg", type: "image/svg+xml" }],
  ...["chat.js", "figures.js", "live_socket.js", "log.js"].map((name) =>
    [`/${name}`, { name, type: "text/javascript; charset=utf-8" }] as const
  ),
]);

const HEADERS = {
  // Only files of this server: even if a text were inserted as HTML, no script in it would run.
  "Content-Security-Policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cache-Control": "no-cache",
};

/** The `fetch` hook: answers the plain HTTP requests with the files of the page. */
export async function servePublicFile(request: Request): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return respond(405, "Only GET and HEAD are allowed here\n", { Allow: "GET, HEAD" });
  }
  const file = FILES.get(new URL(request.url).pathname);
  if (file === undefined) return respond(404, "There is nothing here\n");
  const content = await readFile(new URL(`public/${file.name}`, import.meta.url));
  return respond(200, content, {
    "Content-Type": file.type,
    "Content-Length": String(content.length),
  });
}

function respond(
  status: number,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Response {
  return new Response(body, { status, headers: { ...HEADERS, ...headers } });
}
