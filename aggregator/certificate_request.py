"""Certificate requests (PKCS #10) as hosts send them: proof that the key is theirs, and nothing else is taken from them.

Also what a signature of an agent's enrolled key is worth.
"""

from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from aggregator.errors import Invalid

CSR_BYTES_MAX = 4_096
SIGNATURE_BYTES_MAX = 128


def proven_key(csr: bytes) -> ec.EllipticCurvePublicKey:
    """The public key whose private half signed the request. Raises ``Invalid`` for anything but a P-256 key that did."""
    if len(csr) > CSR_BYTES_MAX:
        raise Invalid("csr", f"at most {CSR_BYTES_MAX} bytes")
    try:
        request = x509.load_der_x509_csr(csr)
        key = request.public_key()
        proven = request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Invalid("csr", "is no certificate request (PKCS #10, DER)") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Invalid("csr", "its key must be an elliptic-curve key on P-256 (prime256v1)")
    if not proven:
        raise Invalid("csr", "it is not signed with its own key")
    return key


def spki(key: ec.EllipticCurvePublicKey) -> bytes:
    """The key as SubjectPublicKeyInfo, DER: how it is stored."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_hash(key: ec.EllipticCurvePublicKey) -> bytes:
    """SHA-256 of the key as SubjectPublicKeyInfo."""
    return sha256(spki(key)).digest()


def signed_with(stored: bytes, *, signature: bytes, message: bytes) -> bool:
    """Whether the private half of ``stored`` (SubjectPublicKeyInfo) signed the message: ECDSA with SHA-256."""
    if len(signature) > SIGNATURE_BYTES_MAX:
        return False
    key = serialization.load_der_public_key(stored)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def certified_key_hash(certificate_pem: bytes) -> bytes:
    """SHA-256 of the public key in a certificate that TLS has verified. Raises ``Invalid`` for one not on P-256."""
    key = x509.load_pem_x509_certificate(certificate_pem).public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Invalid("csr", "the certificate of this connection has no elliptic-curve key: enrol anew")
    return key_hash(key)
