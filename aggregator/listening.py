"""Why an address cannot be listened on, in words that say what to do."""

import errno
import socket


def why_not(host: str, port: int) -> str | None:
    """Why the address cannot be listened on and what to do about it; None when it can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except socket.gaierror:
        return "the host name is not known here; name an address of this machine"
    except OSError as error:
        return {
            errno.EADDRINUSE: "another program uses the port; end it or choose another port",
            errno.EACCES: "this user may not use the port; choose one above 1023",
            errno.EADDRNOTAVAIL: "the address is none of this machine; name one that is",
        }.get(error.errno or 0, error.strerror or "unknown reason")
    return None
