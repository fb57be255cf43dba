"""Answer `/N` with the text "page N" after 100 milliseconds. Ctrl-C stops it."""

import asyncio
import sys


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request and close the connection."""
    request = await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.1)
    body = b"page " + request.split()[1].strip(b"/")
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    writer.close()


async def main(port: int) -> None:
    """Print the URL, then serve until the process is ended."""
    server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=1000)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000))
    except KeyboardInterrupt:
        sys.exit("stopped")
