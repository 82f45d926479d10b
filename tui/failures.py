"""What can go wrong between a person and the aggregator, in sentences that say what to do."""

import enum


class Kind(enum.Enum):
    """What went wrong, by what the person should do next."""

    SETTINGS = "settings"  # change this program's settings
    REFUSED = "refused"  # change the request
    DENIED = "denied"  # use another key
    AWAY = "away"  # wait, or look after the aggregator
    FAILED = "failed"  # the aggregator's fault


class CallFailed(Exception):
    """A call that did not succeed. The text is a sentence for people and holds no secrets."""

    def __init__(self, kind: Kind, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def explain(code: str, details: str, address: str) -> CallFailed:
    """What a gRPC status means to a person, and what they can do."""
    match code:
        case "UNAUTHENTICATED":
            return CallFailed(
                Kind.DENIED, "The API key was refused: it is unknown or disabled. Use another key file."
            )
        case "PERMISSION_DENIED":
            return CallFailed(Kind.DENIED, sentence(details) or "This API key may not do that.")
        case "UNAVAILABLE":
            return _unavailable(details, address)
        case "DEADLINE_EXCEEDED":
            return CallFailed(
                Kind.AWAY, f"The aggregator at {address} did not answer in time. Try again in a moment."
            )
        case "UNIMPLEMENTED":
            return CallFailed(
                Kind.FAILED, f"The aggregator at {address} does not know this call: it is of another version."
            )
        case "INVALID_ARGUMENT" | "NOT_FOUND" | "FAILED_PRECONDITION" | "OUT_OF_RANGE":
            return CallFailed(Kind.REFUSED, sentence(details) or "The aggregator refused the request.")
        case _:
            text = sentence(details) or code
            return CallFailed(Kind.FAILED, f"The aggregator could not do it: {text} Its log says more.")


# What OpenSSL and gRPC say of a handshake, whose business it is, and what to do.
_HANDSHAKE: tuple[tuple[str, Kind, str], ...] = (
    (
        "certificate has expired",
        Kind.AWAY,
        "The certificate of the aggregator at {address} has expired: have its operator issue a new one.",
    ),
    (
        "certificate is not yet valid",
        Kind.AWAY,
        "The certificate of the aggregator at {address} is not valid yet: compare the clocks of both hosts.",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        Kind.SETTINGS,
        "The aggregator at {address} shows a certificate of another authority: check --ca and --address.",
    ),
    (
        "is not in peer certificate",
        Kind.SETTINGS,
        "The aggregator's certificate is not for the host in {address}: use a name that it was issued for.",
    ),
    (
        "empty address list",
        Kind.SETTINGS,
        "The file given as --ca cannot be used as an authority: take ca.crt of the aggregator's authority.",
    ),
    (
        "Ssl handshake failed",
        Kind.SETTINGS,
        "What listens at {address} does not speak TLS as an aggregator does: check --address.",
    ),
    (
        "DNS resolution failed",
        Kind.AWAY,
        "The host name in {address} cannot be found: check --address and the name service.",
    ),
    (
        "Connection refused",
        Kind.AWAY,
        "Nothing listens at {address}: check --address, or start the aggregator.",
    ),
)


def _unavailable(details: str, address: str) -> CallFailed:
    for sign, kind, text in _HANDSHAKE:
        if sign in details:
            return CallFailed(kind, text.format(address=address))
    if details and "connect" not in details.lower() and "socket" not in details.lower():
        # The aggregator is there and says itself why it cannot answer now.
        return CallFailed(Kind.AWAY, sentence(details))
    return CallFailed(Kind.AWAY, f"The aggregator at {address} cannot be reached.")


def sentence(text: str) -> str:
    """With a capital and a full stop; empty stays empty."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".") if text else ""
