"""Drives the client of `websockets` for websockets_peer.ts.

The first argument says how to connect, as JSON. Commands come as lines of JSON on the standard
input, events go as such to the standard output; bytes are in base64. The connection is dropped when
the input ends.
"""

import asyncio
import base64
import json
import ssl
import sys

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory


def emit(event, **fields):
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def encode(message):
    if isinstance(message, str):
        return {"text": message}
    return {"bytes": base64.b64encode(message).decode()}


def decode(value):
    return value["text"] if "text" in value else base64.b64decode(value["bytes"])


async def receive(socket):
    try:
        while True:
            emit("message", **encode(await socket.recv()))
    except websockets.ConnectionClosed:
        await socket.wait_closed()
        emit("close", closeCode=socket.close_code, reason=socket.close_reason)


async def pong(waiter, payload):
    await waiter
    emit("pong", **encode(payload))


async def obey(socket, command):
    name = command["command"]
    if name == "send":
        await socket.send(decode(command))
    elif name == "fragments":
        await socket.send([decode(part) for part in command["parts"]])
    elif name == "ping":
        payload = decode(command)
        asyncio.ensure_future(pong(await socket.ping(payload), payload))
    elif name == "close":
        asyncio.ensure_future(socket.close(command["closeCode"], command["reason"]))
    elif name == "terminate":
        socket.transport.abort()


async def main():
    options = json.loads(sys.argv[1])
    settings = {
        "subprotocols": options.get("protocols") or None,
        "origin": options.get("origin"),
        "max_size": None,
        "ping_interval": None,
    }
    if options.get("certificateFile") is not None:
        settings["ssl"] = ssl.create_default_context(cafile=options["certificateFile"])
    deflate = options.get("deflate")
    if deflate is not None:
        settings["compression"] = None
        settings["extensions"] = [
            ClientPerMessageDeflateFactory(
                server_no_context_takeover=deflate["serverNoContextTakeover"],
                client_no_context_takeover=deflate["clientNoContextTakeover"],
                server_max_window_bits=deflate.get("serverMaxWindowBits"),
                client_max_window_bits=deflate["clientMaxWindowBits"] or None,
            )
        ]
    try:
        socket = await websockets.connect(options["url"], **settings)
    except websockets.InvalidHandshake as error:
        # The second is what newer versions have.
        status = getattr(error, "status_code", None)
        if status is None and hasattr(error, "response"):
            status = error.response.status_code
        emit("refused", message=str(error), status=status)
        return
    except (OSError, EOFError) as error:
        emit("refused", message=str(error))
        return
    extensions = getattr(socket, "extensions", None)
    if extensions is None:
        extensions = socket.protocol.extensions
    emit(
        "open",
        protocol=socket.subprotocol or "",
        extensions=", ".join(extension.name for extension in extensions),
    )
    asyncio.ensure_future(receive(socket))
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        try:
            await obey(socket, json.loads(line))
        except websockets.ConnectionClosed:
            pass  # "close" tells.
    socket.transport.abort()


asyncio.run(main())
