"""The process that holds the viewers of live pages: thousands of sockets, one poller, no page.

- `hub`: who is watching, and who is told what; asyncio, no sockets, no store
- `doors`: who may watch: the portal's own request, asked once a stream in a worker thread
- `bells`: how a commit in another process is heard: NOTIFY, a datagram, and looking now and then
- `address`: where a browser finds the stream, seen from its page
- `server`, `process`: the HTTP of it, and its life
- `keeper`: what `portal.serve` holds: starts the process, and starts it again when it dies
"""
