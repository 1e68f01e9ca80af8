"""The agent on `websockets`: see agent.ts.

`client URL [CA_FILE]` connects; `server CERT_FILE KEY_FILE` serves, and prints its ports.
"""

import asyncio
import json
import ssl
import sys

import websockets

LIMITS = {"max_size": None, "ping_interval": None}


class Agent:
    def __init__(self):
        self.url = None
        self.last = asyncio.get_running_loop().create_future()
        self.last.set_result((0, ""))

    async def speak(self, socket):
        """Speaks by a connection until it has ended."""
        seen = self.last
        # The next connection may begin before this one has ended.
        ending = self.last = asyncio.get_running_loop().create_future()
        tasks = []
        try:
            is_fragmenting = False
            while True:
                message = await socket.recv()
                if isinstance(message, str) and message.startswith("!"):
                    command, *words = message.split(" ")
                    if command == "!fragments":
                        is_fragmenting = True
                    elif command == "!connect":
                        self.url = words[0]
                    else:
                        # What waits must not keep what comes next from being received.
                        tasks.append(asyncio.ensure_future(obey(socket, seen, command, words)))
                elif is_fragmenting:
                    is_fragmenting = False
                    middle = len(message) // 2
                    await socket.send([message[:middle], message[:0], message[middle:]])
                else:
                    await socket.send(message)
        except websockets.ConnectionClosed:
            await socket.wait_closed()
        finally:
            ending.set_result((socket.close_code, socket.close_reason))
            await asyncio.gather(*tasks, return_exceptions=True)


async def obey(socket, seen, command, words):
    if command == "!version":
        await socket.send(websockets.__version__)
    elif command == "!ping":
        await (await socket.ping(words[0]))
        await socket.send(f"!pong {words[0]}")
    elif command == "!seen":
        code, reason = await seen
        await socket.send(json.dumps({"closeCode": code, "reason": reason}))
    elif command == "!close":
        await socket.close(int(words[0]), " ".join(words[1:]))


async def run_client(url, ca_file=None):
    context = ssl.create_default_context(cafile=ca_file)
    agent = Agent()
    agent.url = url
    while True:
        options = {"ssl": context} if agent.url.startswith("wss:") else {}
        try:
            socket = await websockets.connect(agent.url, **options, **LIMITS)
        except (OSError, EOFError, websockets.WebSocketException):
            return
        await agent.speak(socket)


async def run_server(cert_file, key_file):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert_file, key_file)
    agent = Agent()
    tls_agent = Agent()

    async def speak(socket, _path=None):
        await agent.speak(socket)

    async def speak_tls(socket, _path=None):
        await tls_agent.speak(socket)

    server = await websockets.serve(speak, "127.0.0.1", 0, **LIMITS)
    tls_server = await websockets.serve(speak_tls, "127.0.0.1", 0, ssl=context, **LIMITS)
    port, tls_port = (each.sockets[0].getsockname()[1] for each in (server, tls_server))
    print(json.dumps({"name": "websockets (Python)", "port": port, "tlsPort": tls_port}), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def main():
    role, *arguments = sys.argv[1:]
    await (run_client if role == "client" else run_server)(*arguments)


asyncio.run(main())
